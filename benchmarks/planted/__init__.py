"""A small leak in the bundled target, beside a big live heap that is replaced all the time: is its line named first?"""
