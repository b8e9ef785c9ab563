"""The benchmark: this project and redis-py alone, side by side on one private server."""
