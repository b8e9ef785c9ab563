"""Processes: ordered consumers, the payload group, the supervisor and the CLI."""
