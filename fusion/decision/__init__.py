"""Decision fusions, one method a file."""
