"""Temporary files from outside: the target's are counted, nobody else's are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from soak_probes import Observer, ProcessTree
from soak_probes.tmpfiles import temp_dir
from tests.common import wait_until
from tests.probes.conftest import Guest, look, values


@pytest.fixture
def shared_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory that everybody may write to, as /tmp is, for the guests of this test."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def stranger(shared_tmp: Path) -> Iterator[Path]:
    """A file that somebody else keeps in the same directory."""
    with tempfile.NamedTemporaryFile(dir=shared_tmp) as file:
        yield Path(file.name)


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({}, "/tmp"),
        ({"TMPDIR": "/var/x/"}, "/var/x"),
        ({"TEMP": "/b", "TMPDIR": ""}, "/b"),
        ({"TMPDIR": "relative", "TMP": "/c"}, "/c"),
    ],
)
def test_where_a_program_puts_them(environ: dict[str, str], directory: str) -> None:
    """TMPDIR, TEMP, TMP in the order of Python's tempfile; what is not absolute says nothing about where."""
    assert temp_dir(environ) == directory


def test_open_files_count_and_strangers_do_not(guest: Callable[[str], Guest], stranger: Path) -> None:
    """Two named ones, one already deleted: three, with their blocks on disk; the stranger's is not the target's."""
    one = guest(
        """
        import tempfile
        kept = [tempfile.NamedTemporaryFile() for _ in range(2)] + [tempfile.TemporaryFile()]
        for file in kept:
            file.write(b"x" * 100_000); file.flush()
        """
    )
    found = look(ProcessTree([one.key]))
    assert found["tmp_files"] == 3
    assert 3 * 100_000 <= found["tmp_bytes"] <= 3 * 200_000


def test_a_file_that_was_seen_open_stays_until_it_is_gone(guest: Callable[[str], Guest], shared_tmp: Path) -> None:
    """Closed but left behind: still the target's; removed by anybody: no more."""
    one = guest("import tempfile; file = tempfile.NamedTemporaryFile(delete=False)")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert values(observer.sample(deep=True))["tmp_files"] == 1
        one.do("file.close()")
        assert values(observer.sample(deep=True))["tmp_files"] == 1
        next(shared_tmp.iterdir()).unlink()
        assert values(observer.sample(deep=True))["tmp_files"] == 0


def test_a_path_that_is_another_file_by_now_is_not_the_targets(guest: Callable[[str], Guest], shared_tmp: Path) -> None:
    """The same name, another inode: somebody else's."""
    one = guest("import tempfile; file = tempfile.NamedTemporaryFile(delete=False)")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        observer.sample(deep=True)
        one.do("file.close()")
        path = next(shared_tmp.iterdir())
        other = shared_tmp / "other"
        other.touch()
        other.rename(path)
        assert values(observer.sample(deep=True))["tmp_files"] == 0


@pytest.mark.parametrize("shared", [False, True])
def test_a_directory_of_its_own_is_counted_whole(
    guest: Callable[[str], Guest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """A TMPDIR that only the target's user may write to: what appears there since the first look is the target's.

    Not where soak has the same one: there it may be any other program's of that user.
    """
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    (folder / "before").touch()
    monkeypatch.setenv("TMPDIR", str(folder))
    one = guest("")
    if not shared:
        monkeypatch.delenv("TMPDIR")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert values(observer.sample(deep=True))["tmp_files"] == 0
        (folder / "deeper").mkdir()
        (folder / "deeper" / "left").write_bytes(b"x" * 5000)
        found = values(observer.sample(deep=True))
    assert (found["tmp_files"], found["tmp_bytes"]) == ((0, 0) if shared else (1, 8192))


def test_a_program_that_lives_in_tmp_is_not_temporary(guest: Callable[[str], Guest], shared_tmp: Path) -> None:
    """Its database below its working folder is no temporary file, although that folder is below the temporary one."""
    home = shared_tmp / "service"
    home.mkdir()
    one = guest(f"import os; os.chdir({str(home)!r}); data = open('data.db', 'w')")
    assert look(ProcessTree([one.key]))["tmp_files"] == 0


def test_two_processes_with_one_file_have_one(guest: Callable[[str], Guest], shared_tmp: Path) -> None:
    """Open in parent and child: one temporary file in all."""
    one = guest(
        """
        import os, sys, tempfile
        file = tempfile.TemporaryFile()
        if os.fork() == 0:
            sys.stdin.readline(); os._exit(0)
        """
    )
    with closing(Observer(ProcessTree([one.key]))) as observer:
        wait_until(lambda: len(observer.tree.refresh()) == 2)
        observer.tree.refresh()
        observer.tree.refresh()
        readings = observer.sample(deep=True)
    assert values(readings)["tmp_files"] == 1
    assert [reading.value for reading in readings if reading.name == "tmp_files"] == [1, 1, 1]
