"""The services that associations ask for, one file each."""
