"""Who may do what on a bus: pure, compiled, and able to explain itself (BUS-2..5, BUS-16)."""
