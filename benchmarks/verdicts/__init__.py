"""Seeded synthetic series whose truth is known, judged by soak and by the four usual methods."""
