"""What a look-up returns: one reference's connection manager, explain, test connection."""
