"""A search of a fusion for a recipe, and its comparison with fusions picked by hand."""
