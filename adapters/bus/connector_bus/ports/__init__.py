"""Ports: a request on a destination becomes one of an HTTP service, and its answer the reply (BUS-1)."""
