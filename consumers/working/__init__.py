"""The worker: its loop, its leases, its place among the workers, and the groups that it runs."""
