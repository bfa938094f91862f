"""The parts of one run: each has its own moments, and `soak.session` keeps them to these."""
