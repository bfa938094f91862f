"""What a reading says of the heap: sites, growth, types, cohorts, and what it keeps out or refuses to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from soak_agent import headroom

from .conftest import Guest

GROWING = """
import sys
kept = []
class Session:
    def __init__(self):
        self.data = bytes(1000)
def culprit(count):
    for _ in range(count):
        kept.append(Session())
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline():
        sys.exit()
for n in range(300):
    lines = "\\n" * n + f"kept.append([bytes(30000 + {n})])"
    exec(compile(lines, "/app/big.py", "exec"))
stop("ready")
culprit(20)
stop("a little")
culprit(1000)
stop("more")
"""


def site_of(reading: dict[str, Any], function: str) -> dict[str, Any] | None:
    """The largest site whose innermost frame is in `function`."""
    found = [site for site in reading["sites"] if site["stack"][-1][2].rpartition(".")[2] == function]
    return max(found, key=lambda site: int(site["bytes"])) if found else None


def test_a_small_leak_beside_a_big_heap_is_sent_with_its_function(launch: Callable[..., Guest], python: str) -> None:
    """300 sites of 30 KB are larger than the one that grew by 20 KB: it is sent for its growth, with its function."""
    guest = launch(GROWING, python=python, heap="tracemalloc")
    assert guest.line() == "ready"
    first = guest.read(top=20)
    assert "Session" not in str(site_of(first, "__init__"))
    assert guest.go() == "a little"
    second = guest.read(top=20)
    site = site_of(second, "__init__")
    assert site is not None
    # 20 bytes objects of 1000 + 33 bytes each
    assert 20 * 1033 <= site["bytes"] <= 20 * 1033 + 4000
    assert site["partial"] is True
    assert site["stack"][-1][0].endswith("target.py")
    assert len(second["sites"]) <= 40


def test_traced_bytes_follow_the_heap_and_leave_the_agent_out(launch: Callable[..., Guest], python: str) -> None:
    """1000 objects of 1 KB are seen as 1.0 to 1.4 MB; fifty readings in a row add next to nothing."""
    guest = launch(GROWING, python=python, heap="tracemalloc")
    assert guest.line() == "ready"
    guest.read()
    assert guest.go() == "a little"
    before = guest.read()["traced_bytes"]
    for _ in range(20):
        still = guest.read()["traced_bytes"]
    assert abs(still - before) < 20_000
    assert guest.go() == "more"
    assert 1_033_000 <= guest.read()["traced_bytes"] - before <= 1_400_000


def test_types_are_counted_by_their_full_name(launch: Callable[..., Guest], python: str) -> None:
    """The class of the target is among the types sent, with the exact number alive."""
    guest = launch(GROWING, python=python)
    assert guest.line() == "ready"
    first = guest.read()
    assert guest.go() == "a little"
    second = guest.read()
    counts = {row["type"]: row["count"] for row in second["types"]}
    assert counts["__main__.Session"] == 20
    assert counts["dict"] > 100
    assert (
        abs(second["gc_objects"] - first["gc_objects"]) < 200
    )  # bytes hold nothing, so gc does not follow all of them


def test_garbage_is_collected_first_only_when_asked(launch: Callable[..., Guest]) -> None:
    """Cycles made by the target are gone in a reading with collect and counted in one without."""
    source = """
    import gc, sys
    gc.set_threshold(1 << 30)
    class Node: pass
    def cycles(count):
        for _ in range(count):
            node = Node(); node.me = node
    cycles(500)
    print("ready", flush=True)
    sys.stdin.readline()
    """
    guest = launch(source)
    assert guest.line() == "ready"
    with_garbage = {row["type"]: row["count"] for row in guest.read(collect=False)["types"]}
    without = {row["type"]: row["count"] for row in guest.read(collect=True)["types"]}
    assert with_garbage["__main__.Node"] == 500
    assert "__main__.Node" not in without


@pytest.mark.parametrize(
    ("off", "on"), [("gc.disable()", "gc.enable()"), ("gc.set_threshold(0)", "gc.set_threshold(700)")]
)
def test_what_a_target_without_a_collector_keeps_is_left(
    launch: Callable[..., Guest], python: str, off: str, on: str
) -> None:
    """Nobody would free its cycles: they are counted, and that is said; once its collector is on they go."""
    source = f"""
    import gc, sys
    from _soak_agent import readings
    class Node: pass
    def stop(word):
        print(word, flush=True)
        sys.stdin.readline()
    {off}
    for _ in range(500):
        node = Node(); node.me = node
    stop("ready")
    readings.FREELY = 0.0  # seconds: as in a heap whose collection takes long
    stop("large")
    {on}
    readings.FREELY = 1e3
    stop("on")
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    for word in ("large", "on"):
        reading = guest.read()
        counts = {row["type"]: row["count"] for row in reading["types"]}
        assert (counts["__main__.Node"], reading["collected"]) == (500, None)
        assert [text.partition(" (")[0] for text in reading["warnings"]] == ["collection is off in the target"]
        assert set(reading["pauses_ms"]) == {"objects", "types", "heap"}
        assert guest.go() == word
    reading = guest.read()
    assert reading["warnings"] == []
    # the last is a variable of the target's
    assert {row["type"]: row["count"] for row in reading["types"]}["__main__.Node"] == 1


def test_pauses_are_measured_by_part(launch: Callable[..., Guest]) -> None:
    """The longest pause is the largest of its parts, in milliseconds."""
    guest = launch(GROWING, heap="tracemalloc")
    assert guest.line() == "ready"
    reading = guest.read()
    assert set(reading["pauses_ms"]) == {"gc_collect", "objects", "types", "heap"}
    assert reading["pause_ms"] == max(reading["pauses_ms"].values()) > 0


def test_a_stretch_over_the_limit_is_left_out_and_that_is_said(launch: Callable[..., Guest], python: str) -> None:
    """With 0.01 ms there is no full collection, no type and no walk for holders; without a limit all is back."""
    source = """
    import sys
    class Node: pass
    kept = [Node() for _ in range(5000)]
    print("ready", flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    limited = guest.read(longest_pause=0.01)
    assert (limited["collected"], limited["gc_objects"], limited["types"]) == (None, None, [])
    assert [text.partition(" left out")[0] for text in limited["warnings"]] == ["garbage", "types"]
    assert guest.client.holders(guest.pid, ["__main__.Node"], longest_pause=0.01)["holders"] == []
    again = guest.read()
    assert again["collected"] is not None
    assert {row["type"]: row["count"] for row in again["types"]}["__main__.Node"] == 5000
    assert guest.client.holders(guest.pid, ["__main__.Node"], deadline=200.0)["holders"]


def test_a_collection_that_fits_the_limit_is_done(launch: Callable[..., Guest]) -> None:
    """A minute is enough for any heap here: the reading is that without a limit."""
    guest = launch(GROWING)
    assert guest.line() == "ready"
    reading = guest.read(longest_pause=60_000)
    assert reading["collected"] is not None
    assert (reading["types"] != [], reading["warnings"]) == (True, [])


def test_old_garbage_in_a_large_heap_neither_looks_like_growth_nor_hides_a_leak(
    launch: Callable[..., Guest], python: str
) -> None:
    """A heap that grew is collected however long that takes; one that did not is not, and is counted as it was.

    1000 cycles a step die after they were promoted to the oldest generation, which Python itself leaves alone until it
    has grown by a quarter; as many objects a step are kept.
    """
    source = """
    import gc, sys
    from _soak_agent import readings
    readings.FREELY = 0.0  # seconds: every heap is one whose collection takes long
    class Node: pass
    class Kept: pass
    base, kept = [[number] for number in range(100_000)], []
    def stop(word):
        print(word, flush=True)
        if not sys.stdin.readline():
            sys.exit()
    gc.collect()
    stop("ready")
    while True:
        gc.set_threshold(1 << 30)
        nodes = [Node() for _ in range(1000)]
        for node in nodes:
            node.me = node
        kept.extend([Kept() for _ in range(1000)])
        gc.collect(1)
        del nodes, node
        stop("more")
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    assert guest.read()["collected"] is None
    for step in range(1, 4):
        assert guest.go() == "more"
        grown, same = guest.read(), guest.read()
        assert (grown["collected"] is None, same["collected"]) == (False, None)
        for reading in (grown, same):
            counts = {row["type"]: row["count"] for row in reading["types"]}
            assert (counts.get("__main__.Node"), counts["__main__.Kept"]) == (None, 1000 * step)


def test_a_target_that_traces_itself_keeps_its_setting(launch: Callable[..., Guest]) -> None:
    """tracemalloc switched on by the target with 3 frames stays on with 3 frames, also after detach."""
    source = """
    import sys, tracemalloc
    print(tracemalloc.is_tracing(), tracemalloc.get_traceback_limit(), flush=True)
    sys.stdin.readline()
    print(tracemalloc.is_tracing(), flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, heap="tracemalloc", env={"PYTHONTRACEMALLOC": "3"})
    assert guest.line() == "True 3"
    assert guest.read()["frames"] == 3
    guest.client.request(guest.pid, "detach")
    assert guest.go() == "True"


def test_the_backend_can_be_changed_for_a_confirmation(launch: Callable[..., Guest]) -> None:
    """Switched on late with five frames, it sees what is allocated from then on, with five frames."""
    guest = launch(GROWING, heap="off")
    assert guest.line() == "ready"
    assert guest.read()["traced_bytes"] is None
    reply = guest.client.request(guest.pid, "heap", mode="tracemalloc", frames=5)
    assert (reply["heap_mode"], reply["frames"]) == ("tracemalloc", 5)
    guest.read()
    assert guest.go() == "a little"
    site = site_of(guest.read(), "__init__")
    assert site is not None
    assert [frame[2] for frame in site["stack"]][-2:] == ["culprit", "Session.__init__"]
    assert site["partial"] is False


@pytest.mark.parametrize(
    ("need", "available", "cgroup", "refused"),
    [
        (8 << 20, 1 << 20, 1 << 20, False),  # so little is never worth refusing
        (100 << 20, 401 << 20, None, False),  # just under a quarter of what is left
        (100 << 20, 399 << 20, None, True),
        (100 << 20, 10 << 30, 200 << 20, True),  # the tightest limit counts
    ],
)
def test_no_reading_borrows_more_than_a_quarter_of_what_is_left(
    monkeypatch: pytest.MonkeyPatch, need: int, available: int, cgroup: int | None, refused: bool
) -> None:
    """Memory of the machine and of the cgroup are both asked, and the refusal says the numbers."""
    monkeypatch.setattr(headroom, "_available", lambda: available)
    monkeypatch.setattr(headroom, "_cgroup", lambda: cgroup)
    assert bool(headroom.room_for(need)) is refused


def test_a_heap_that_is_too_large_is_not_read_and_that_is_said(
    launch: Callable[..., Guest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the room set to nothing the rest of the reading comes and a warning says why sites are missing."""
    source = "import sys\nfrom _soak_agent import headroom\nheadroom.FREE = headroom.SHARE = 0\n"
    guest = launch(source + "print('ready', flush=True)\nsys.stdin.readline()\n", heap="tracemalloc")
    assert guest.line() == "ready"
    reading = guest.read()
    assert reading["sites"] == []
    assert reading["traced_bytes"] is None
    assert "heap not read" in reading["warnings"][0]
    assert reading["gc_objects"] > 0


def test_the_sampler_is_taken_when_it_works_here(launch: Callable[..., Guest], python: str) -> None:
    """auto takes the sampler and names whole stacks and birth cycles; where it refuses, tracemalloc and the reason."""
    guest = launch(GROWING, python=python, heap="auto", interval=4096)
    assert guest.line() == "ready"
    guest.client.request(guest.pid, "mark", cycle=0)
    guest.read(cycle=0)
    assert guest.go() == "a little"
    assert guest.go() == "more"
    reading = guest.read(cycle=1)
    site = site_of(reading, "__init__")
    assert site is not None
    if reading["mode"] == "sampler":
        assert not site["partial"]
        assert list(site["births"]) == ["1"]
        # 1.03 MB in blocks of 1 KB sampled every 4 KiB: about 250 samples, 6 % standard error
        assert 0.7 * 1_053_000 <= site["bytes"] <= 1.3 * 1_053_000
    else:
        assert guest.client.request(guest.pid, "hello")["heap_why"].startswith("sampler: ")
