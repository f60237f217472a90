"""Spoken and written digits; see README.md beside this file."""
