"""The report of a search: text, pictures and files."""
