"""This server as the asking side of an association: C-ECHO, C-FIND, C-MOVE and C-STORE to peers."""
