"""The message store: every message as it came, what became of it, and who works on it."""
