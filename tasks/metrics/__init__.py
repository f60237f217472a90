"""Metrics that are no library's: means by label, retrieval."""
