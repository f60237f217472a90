"""Searches a fusion for a recipe, and compares it with those picked by hand."""
