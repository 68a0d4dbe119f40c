"""The resource adapter to the bus: sign-on, connections, activations and commands."""
