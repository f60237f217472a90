"""Early fusions, one method a file."""
