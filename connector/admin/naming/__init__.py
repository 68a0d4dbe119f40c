"""Naming from outside: the port for look-ups, and the client of another container's (CONF-6)."""
