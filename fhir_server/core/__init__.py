"""What every part of the house shares: errors, keys, search values, queries and the ports. Imports nothing of ours."""
