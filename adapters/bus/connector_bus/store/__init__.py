"""Where messages rest: an embedded database behind one writer that commits for many at once (BUS-1)."""
