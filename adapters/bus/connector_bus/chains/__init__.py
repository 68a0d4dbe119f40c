"""The wire: AMQP 1.0 over transport chains, for clients of any language (CHAIN)."""
