"""Generators of the references in docs/."""
