"""What the server keeps in mind of stored resources, along the change feed; SearchParameters that take effect."""
