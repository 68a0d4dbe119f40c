"""The conformance kit for adapter and mapper authors."""
