"""The bundled target beside 200 MB of live objects of the same types, a tenth of which is replaced every ten seconds.

`python -m benchmarks.planted.target ARGUMENT ...`: the arguments are those of soak.demo.target.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable

from benchmarks.quick import sized
from soak.demo import target

LIVE = sized(200, 5) * 2**20
LARGEST = 4000
SHARE, SECONDS, STEPS = 0.1, 10.0, 100  # a tenth is replaced every ten seconds, in a hundred steps

Shelf = dict[int, object]


def receipt(number: int, size: int) -> object:
    """A string, as the leak keeps them."""
    return f"receipt {number:08d};" * (size // 17 + 1)


def quote(number: int, size: int) -> object:
    """A string of another place in the code."""
    return f"quote {number:010d};" * (size // 17 + 1)


def page(number: int, size: int) -> object:
    """Bytes."""
    return bytes(size) + number.to_bytes(8, "big")


def basket(number: int, size: int) -> object:
    """A list of strings."""
    return [f"{number:08d}-{line:04d}-{'x' * 40}" for line in range(size // 110 + 1)]


def customer(number: int, size: int) -> object:
    """A dictionary of strings."""
    return {f"field-{line}": f"{number:08d}{'y' * 60}" for line in range(size // 250 + 1)}


MAKERS: tuple[Callable[[int, int], object], ...] = (receipt, quote, page, basket, customer)


def fill(shelf: Shelf, draw: random.Random) -> None:
    """Make objects until about LIVE bytes are there."""
    for number in range(2 * LIVE // LARGEST):
        shelf[number] = draw.choice(MAKERS)(number, draw.randrange(100, LARGEST))


def churn(shelf: Shelf, draw: random.Random) -> None:
    """Replace objects for ever, one step after the other."""
    while True:
        time.sleep(SECONDS / STEPS)
        for _ in range(int(len(shelf) * SHARE / STEPS)):
            number = draw.randrange(len(shelf))
            shelf[number] = draw.choice(MAKERS)(number, draw.randrange(100, LARGEST))


def main() -> None:
    """Fill, then serve while a thread replaces."""
    shelf: Shelf = {}
    draw = random.Random(7)
    fill(shelf, draw)
    threading.Thread(target=churn, args=(shelf, draw), daemon=True).start()
    target.main(sys.argv[1:])


if __name__ == "__main__":
    main()
