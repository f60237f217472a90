"""Activity recognition at home from sound and wrist movement; see README.md beside this file."""
