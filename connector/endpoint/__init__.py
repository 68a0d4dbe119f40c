"""Activation, delivery, message-driven handlers."""
