"""Activities of molecules in assays, of which most are unknown; see README.md beside this file."""
