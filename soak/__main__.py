"""`python -m soak`: the same as the `soak` command."""

from soak.cli import main

if __name__ == "__main__":
    main()
