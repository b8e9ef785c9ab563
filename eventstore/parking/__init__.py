"""Parking: what becomes of an event that a group cannot handle, so that the group goes on."""
