"""Recipes: one dataset and one choice of parts each, run as `python -m sennit.recipes.<name>`."""

from sennit.bare_import import refuse_bare_import

refuse_bare_import(__name__)
