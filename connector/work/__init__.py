"""The work manager, work contexts and the security inflow."""
