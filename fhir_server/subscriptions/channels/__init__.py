"""The ways by which notifications go."""
