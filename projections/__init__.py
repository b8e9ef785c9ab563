"""Read models: pure folds from events to writes."""
