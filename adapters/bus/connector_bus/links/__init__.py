"""Links to other buses: messages leave by a transmission queue and arrive checked by this bus (BUS-9, BUS-14)."""
