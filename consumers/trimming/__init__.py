"""Trimming: the beginning of the log leaves the server once the journal and every group have it."""
