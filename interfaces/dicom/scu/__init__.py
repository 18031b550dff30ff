"""This server as the asking side: peers, queue, forward rules."""
