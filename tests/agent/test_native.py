"""What malloc holds, told apart from what Python has lost."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Guest

BLOCKS = """
import sys
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline(): sys.exit()
stop("ready")
kept = [bytes(20_000) for _ in range(1000)]
stop("made")
last = kept[-1]
del kept
stop("released")
"""


def test_malloc_used_and_free_follow_the_target(launch: Callable[..., Guest], python: str) -> None:
    """20 MB of 20 KB blocks show as used; released, they show as free until a trim gives their pages back."""
    guest = launch(BLOCKS, python=python)
    assert guest.line() == "ready"
    before = guest.client.request(guest.pid, "native")
    assert before["why"] == ""
    assert guest.go() == "made"
    made = guest.client.request(guest.pid, "native")
    # 1000 blocks of 20,000 bytes and 33 of header, in chunks of 20,048
    assert 20_000_000 <= made["used"] + made["mapped"] - before["used"] - before["mapped"] <= 20_500_000
    assert guest.go() == "released"
    released = guest.client.request(guest.pid, "native", trim=True)
    assert released["used"] - before["used"] < 500_000
    assert released["free"] > 15_000_000
    assert released["rss"] - released["rss_trimmed"] > 15_000_000


SMALL = """
import sys
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline(): sys.exit()
stop("ready")
kept = [object() for _ in range(1_000_000)]
stop("made")
del kept[::2]
stop("thinned")
"""


def test_pymalloc_tells_used_from_held(launch: Callable[..., Guest], python: str) -> None:
    """A million small objects are used; with every second one gone their arenas stay and half of them is held free."""
    guest = launch(SMALL, python=python)
    assert guest.line() == "ready"
    before = guest.client.request(guest.pid, "native")
    assert before["why_python"] == ""
    assert guest.go() == "made"
    made = guest.client.request(guest.pid, "native")
    assert 15_900_000 <= made["py_used"] - before["py_used"] <= 16_500_000  # 16 bytes each
    assert guest.go() == "thinned"
    thinned = guest.read()["native"]
    assert thinned["py_free"] - made["py_free"] > 7_000_000
    assert thinned["anonymous"] + thinned["files"] <= thinned["rss"] + 2_000_000
    assert guest.errors() == ""
