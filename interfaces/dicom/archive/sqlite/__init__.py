"""The index in a SQLite file that the processes of one machine share."""
