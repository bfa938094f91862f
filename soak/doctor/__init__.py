"""`soak doctor`: what works on this machine and for this target, and how to mend what does not."""
