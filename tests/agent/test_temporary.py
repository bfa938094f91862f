"""Temporary files: which are counted, and a table of them that never costs the target more than the file itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soak_agent import temporary
from soak_agent.temporary import LOOKS, Temporary, places

from .conftest import Guest

# The one folder of temporary files is /dev/shm: what is made in the working folder is made elsewhere.
HEAD = """
import mmap, os, sqlite3, sys, tempfile
from multiprocessing import shared_memory
from _soak_agent import births, temporary
births.TMP = ("/dev/shm/",)
HERE, THEIRS = os.getcwd(), os.environ.get("THEIRS")
kept = []
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline():
        os._exit(0)
"""
MADE = {
    "shared memory": (
        "block = shared_memory.SharedMemory(create=True, size=9000); block.close(); return block", "thing.unlink()"),
    "its number was another file's": (
        "os.close(os.open('/etc/hosts', 0))\n    block = shared_memory.SharedMemory(create=True, size=9000)\n"
        "    block.close(); return block", "thing.unlink()"),
    "mkstemp elsewhere": ("return tempfile.mkstemp(dir=HERE)[1]", "os.remove(thing)"),
    "mkdtemp elsewhere": ("return tempfile.mkdtemp(dir=HERE)", "os.rmdir(thing)"),
    "database": (
        "path = tempfile.mktemp(dir='/dev/shm'); sqlite3.connect(path).execute('create table a(b)'); return path",
        "os.remove(thing)"),
}  # fmt: skip
NOT_MADE = {
    "attached": "return shared_memory.SharedMemory(name=os.path.basename(THEIRS))",
    "opened and mapped": "os.chdir('/dev/shm'); file = open(os.path.basename(THEIRS))\n"
    "    return [file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)]",
    "a database that was there": "return sqlite3.connect(THEIRS)",
    "written anew": "path = tempfile.mkstemp(dir=HERE)[1]; os.rename(path, path + '.x')",
}


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A file that somebody else has made in shared memory."""
    path = Path(f"/dev/shm/soak-test-{os.getpid()}")
    path.write_bytes(bytes(9000))
    yield path
    path.unlink(missing_ok=True)  # who attached to it may have removed it


@pytest.mark.parametrize("what", MADE)
def test_a_temporary_file_is_seen_where_it_was_made(launch: Callable[..., Guest], python: str, what: str) -> None:
    """Three, closed but not removed, are under the function that made them; when they are removed none is left."""
    make, release = MADE[what]
    source = HEAD + (
        f"def culprit():\n    {make}\n"
        "kept += [culprit() for _ in range(3)]\nstop('made')\n"
        f"for thing in kept: {release}\nstop('removed')\n"
    )
    guest = launch(source, python=python)
    assert guest.line() == "made"
    assert guest.handles("tmp_file") == {"culprit": 3}
    assert guest.read()["tmp_files"] == 3
    assert guest.go() == "removed"
    assert guest.read()["tmp_files"] == 0


@pytest.mark.parametrize("what", NOT_MADE)
def test_a_file_that_somebody_else_made_or_that_is_to_stay_is_none(
    launch: Callable[..., Guest], python: str, theirs: Path, what: str
) -> None:
    """Shared memory attached to, a file opened and mapped, a database there before, a file renamed to its own place."""
    source = HEAD + f"def user():\n    {NOT_MADE[what]}\nkept.append(user())\nstop('used')\n"
    guest = launch(source, python=python, env={"THEIRS": str(theirs)})
    assert guest.line() == "used"
    assert guest.read()["tmp_files"] == 0


def test_the_folders_are_those_of_tempfile() -> None:
    """TMPDIR, TEMP, TMP in its order; what is not absolute is passed over, and never is everything temporary."""
    assert "/srv/x/" in places({"TMPDIR": "/srv/x", "TEMP": "/srv/y"})
    assert "/srv/y/" in places({"TMPDIR": "", "TEMP": "/srv/y/", "TMP": "/srv/z"})
    assert "/srv/z/" in places({"TMPDIR": "relative", "TMP": "/srv/z"})
    for environ in ({}, {"TMPDIR": "/"}):
        assert "/" not in places(environ) and "/dev/shm/" in places(environ)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A table of ten to a hundred; what it looks for on disk."""
    looked: list[str] = []
    lexists = os.path.lexists

    def look(path: str) -> bool:
        looked.append(path)
        return lexists(path)

    monkeypatch.setattr(temporary, "FEW", 10)
    monkeypatch.setattr(temporary, "MOST", 100)
    monkeypatch.setattr(os.path, "lexists", look)
    return looked


def test_a_full_table_is_looked_at_a_little_at_a_time(small: list[str], tmp_path: Path) -> None:
    """Of 60 files that all live each is counted, and no addition looks at more than two; few are not looked at."""
    table = Temporary()
    for number in range(60):
        path = tmp_path / str(number)
        path.touch()
        small.clear()
        table.add(str(path), (), 0.0)
        assert len(small) == (LOOKS if number >= 10 else 0)
    assert len(list(table.living())) == 60
    assert not table.over


def test_what_is_gone_does_not_fill_the_table(small: list[str], tmp_path: Path) -> None:
    """Twenty live among thousands that were removed without a word: the table has no more than twice as many."""
    table = Temporary()
    most = 0
    for number in range(5000):
        path = tmp_path / str(number)
        if number % 250 == 0:
            path.touch()
        table.add(str(path), (), 0.0)
        most = max(most, len(table.made))
    assert (len(list(table.living())), len(table.made), table.over) == (20, 20, False)
    assert most < 60


def test_where_files_are_too_many_their_number_is_not_known(launch: Callable[..., Guest]) -> None:
    """A number that stays the same would read as no leak: there is none, and the reading says why."""
    source = HEAD + (
        "temporary.FEW, temporary.MOST = 2, 5\n"
        "for _ in range(5): kept.append(tempfile.mkstemp(dir='/dev/shm')[1])\nstop('full')\n"
        "kept.append(tempfile.mkstemp(dir='/dev/shm')[1])\nstop('over')\n"
        "for path in kept: os.remove(path)\nstop('removed')\n"
    )
    guest = launch(source)
    assert guest.line() == "full"
    reading = guest.read()
    assert (reading["tmp_files"], reading["warnings"]) == (5, [])
    for word in ("over", "removed"):
        assert guest.go() == word
        reading = guest.read()
        assert (reading["tmp_files"], reading["tmp_bytes"]) == (None, None)
        assert [text.partition(":")[0] for text in reading["warnings"]] == ["temporary files"]


def test_beyond_the_stacks_of_a_second_files_are_counted_without_one(launch: Callable[..., Guest]) -> None:
    """Two folders with their stack, ten without: all twelve are there."""
    source = HEAD + (
        "births.STACKS, births.WINDOW = 2e-6, 1e6\n"
        "def culprit():\n    return tempfile.mkdtemp(dir=HERE)\n"
        "kept += [culprit() for _ in range(12)]\nstop('made')\n"
    )
    guest = launch(source)
    assert guest.line() == "made"
    assert guest.read()["tmp_files"] == 12
    assert guest.handles("tmp_file") == {"culprit": 2, "": 10}
