"""The resource adapter for requests over HTTP: each is a message to a handler, under the caller that it names.

`connector.endpoint.forwarding` is a handler that needs no code of the deployer's: it asks a destination of a bus.
"""

from connector_http.adapter import HttpResourceAdapter

__all__ = ["HttpResourceAdapter"]
