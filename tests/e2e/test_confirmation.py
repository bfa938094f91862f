"""A line that churns small tuples is credited with what another line keeps, until tracemalloc has looked."""

from __future__ import annotations

from pathlib import Path

import pytest

import soak_heap

from .soaking import GUEST, soak, write_config

LIBRARY = Path(soak_heap.__file__).with_name("_soak_heap.so")
CHURNING = """
import random
WORK = []
def remember(size):
    WORK.clear()
    for i in range(4000):
        WORK.append((i, size, i))  # churns
    random.shuffle(WORK)
    del WORK[::2]
    for i in range(400):
        KEPT.append((size, i, size))  # keeps
"""


@pytest.mark.slow
@pytest.mark.skipif(not LIBRARY.exists(), reason="the heap sampler was not built here: no C compiler")
def test_the_line_that_keeps_is_named_and_not_the_one_that_churns(tmp_path: Path) -> None:
    """The sampler alone names the churning line; the window after the last cycle corrects it, in its own segment."""
    guest = GUEST.read_text()
    begin, end = guest.index("def remember"), guest.index("class Handler")
    (tmp_path / "guest.py").write_text(guest[:begin] + CHURNING + "\n\n" + guest[end:])
    named = {}
    for confirm in (False, True):
        path = write_config(tmp_path, target={"env": {"LEAK": "20000"}}, agent={"confirm": confirm})
        path.write_text(path.read_text().replace(str(GUEST), "guest.py"))
        done = soak(tmp_path, "run", "--json", "report.json")
        assert done.report is not None, done.err
        finding = next(item for item in done.report["findings"] if item["kind"] == "growth")
        named[confirm] = finding["sites"][0]["traceback"][-1]["code"]
        assert bool(done.report["run"]["segments"]) is confirm
    assert named == {False: "WORK.append((i, size, i))  # churns", True: "KEPT.append((size, i, size))  # keeps"}


WATCHING = """
import select
def watch():
    return select.epoll()
def remember(size):
    KEPT.append(watch())
"""


@pytest.mark.slow
@pytest.mark.skipif(not LIBRARY.exists(), reason="the heap sampler was not built here: no C compiler")
def test_descriptors_that_python_does_not_report_have_the_place_of_their_objects(tmp_path: Path) -> None:
    """No audit event tells of an epoll; the window names the line of which as many objects stay."""
    guest = GUEST.read_text()
    begin, end = guest.index("def remember"), guest.index("class Handler")
    (tmp_path / "guest.py").write_text(guest[:begin] + WATCHING + "\n\n" + guest[end:])
    path = write_config(tmp_path, target={"env": {"LEAK": "1"}}, limits={"peak": "1GB"})
    path.write_text(path.read_text().replace(str(GUEST), "guest.py"))
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.report is not None, done.err
    finding = next(item for item in done.report["findings"] if item["series"] == "fds")
    assert finding["kind"] == "growth" and finding["sites"][0]["beside"], finding
    assert finding["sites"][0]["function"] == "watch"
    assert any("fds.eventpoll" in note for note in finding["notes"])
