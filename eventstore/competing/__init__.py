"""Competing groups: slow, independent work, shared among processes, each piece settled once."""
