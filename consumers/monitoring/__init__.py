"""What a worker tells of itself and of its store: metrics, samples and health, served by HTTP."""
