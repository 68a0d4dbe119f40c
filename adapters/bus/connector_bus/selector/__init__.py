"""Message selectors: the conditional expressions of SQL-92 that JMS takes, parsed once and asked for each message."""
