"""Tasks that learn an embedding: margins and triplets."""
