"""Units of work over several resources: coordinator, decision log, recovery (FLOW-8)."""
