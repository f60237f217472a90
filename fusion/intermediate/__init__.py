"""Intermediate fusions, one method a file."""
