"""`make self-soak`: soak soaks its own daemon."""
