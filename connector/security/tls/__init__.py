"""TLS: key stores, trust stores with their signers, generated keys, and the contexts that come of them (CHAIN-3)."""
