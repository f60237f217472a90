"""The model of a schema and its training."""
