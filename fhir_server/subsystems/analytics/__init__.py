"""Analytics: the lake, views over it, indicators, scores, reports (docs/how-to/analytics.md)."""
