"""The connector framework. What applications import stands here; it is loaded when it is first used."""
