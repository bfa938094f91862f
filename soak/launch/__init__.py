"""Starting a target and ending it for certain, also when soak itself is killed."""
