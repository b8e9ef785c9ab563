"""Recorded agent runs from elsewhere, as drafts of events; only `load` touches a store."""
