"""Verdicts on real processes: planted rates and benign shapes in the bundled target, soaked by soak itself."""
