"""Sentiment from what is said, heard and seen; see README.md beside this file."""
