"""The contracts, one profile a module. Assertions in here are rewritten by pytest."""
