"""A run of the whole store for people to look at: a sample, imports, and what came of them."""
