"""The cells of a table and the files that they name."""
