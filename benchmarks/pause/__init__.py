"""How long one reading keeps the target's threads waiting."""
