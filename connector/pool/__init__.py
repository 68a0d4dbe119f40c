"""Managed-connection pools: decisions are pure, I/O happens outside the lock."""
