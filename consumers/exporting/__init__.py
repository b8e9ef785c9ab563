"""Sessions in formats that others read: whole events as lines, and chat messages of a branch."""
