"""The command line and the admin endpoint; only talks to container."""
