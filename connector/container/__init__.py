"""Configuration, plugin loading, naming, deployment, life cycle: the only room that knows all the others."""
