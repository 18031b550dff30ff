"""MLLP: messages in frames over TCP, releases 1 and 2 of the minimal lower layer protocol."""
