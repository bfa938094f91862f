"""What it costs to look at a process: us per reading against psutil, and CPU per target against psrecord."""
