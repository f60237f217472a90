"""What a search found, in words, pictures and files."""
