"""The authorization server over HTTP: pages for people that need no JavaScript, endpoints for applications."""
