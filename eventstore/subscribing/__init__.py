"""Subscribers: other programs that consume the log in order, as durable groups of their own."""
