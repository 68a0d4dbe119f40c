"""Plugins: found by entry point, described without importing, loaded one by one behind a boundary (OPS-3)."""
