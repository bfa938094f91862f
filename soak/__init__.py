"""soak: long-running soak tests that find leaks and say where they come from."""

__version__ = "0.1.0"
