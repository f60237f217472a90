"""Late fusions, one method a file."""
