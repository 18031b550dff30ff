"""Analytics: the lake, views over it, indicators."""
