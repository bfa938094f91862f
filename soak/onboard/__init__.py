"""`soak init`: what kind of service lies in a folder, how it is started, and which of its paths answer."""
