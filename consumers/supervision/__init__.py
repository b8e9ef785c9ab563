"""The process that keeps an embedded store: it starts server and worker, and ends with them."""
