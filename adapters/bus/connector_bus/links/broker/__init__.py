"""Links to brokers of other makes, which speak AMQP 1.0 and know nothing of links (BUS-14)."""
