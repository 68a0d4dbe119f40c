"""Behaviour on identities: scope, realms, registries, login chain, authentication data, roles, audit."""
