"""Consumer groups as an operator sees them: listed, moved, taken away."""
