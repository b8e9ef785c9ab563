"""What consumes a batch: events decoded in order, handled, and applied with their checkpoint."""
