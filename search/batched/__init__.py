"""A generation trained as one net."""
