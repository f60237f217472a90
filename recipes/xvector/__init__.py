"""Speakers by their voice; see README.md beside this file."""
