"""How a search proposes candidates, one strategy a file."""
