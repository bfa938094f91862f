"""Tests of soak_probes: parsers by table, everything else on real processes."""
