"""What was received: files by content and the index over them."""
