"""Recipes: one dataset and one choice of parts each, run as `python -m recipes.<name>`."""
