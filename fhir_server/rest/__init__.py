"""HTTP: from bytes to a Request and from a Response to bytes; nothing here knows how an interaction works."""
