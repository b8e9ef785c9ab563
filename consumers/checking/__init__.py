"""Checks that compare what is stored with what it should be: chain, read models, journal."""
