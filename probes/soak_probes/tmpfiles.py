"""Temporary files of the target as seen from outside, without accusing anybody else's.

/tmp is shared, and nothing outside the target tells who created a file there. So a file counts if one of these holds:

1. a process of the tree has it open (deleted or not) below its temporary directory;
2. a process of the tree had it open at an earlier sample, and it is still there;
3. it appeared since the observation began in a temporary directory that only the target can write to: one whose
   TMPDIR belongs to its user and is closed to all others, or a /tmp of its own (PrivateTmp, container). Where soak has
   the same one, all that its user runs may write to it (pam_tmpdir).

What is left: a file in the shared /tmp that was opened and closed between two samples is missed, in a target that is
not Python. In a Python target the agent knows those that Python made: the larger number of both is stored.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from soak_probes.parse import parse_environ
from soak_probes.reading import ProcessGone, Refused
from soak_probes.view import View

FileKey = tuple[int, int]
_DELETED = " (deleted)"
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class TmpFile:
    """A temporary file: bytes as allocated on disk, path as the target names it (None once deleted)."""

    allocated: int
    path: str | None


def temp_dir(environ: Mapping[str, str]) -> str:
    """Where a program puts temporary files: TMPDIR, TEMP or TMP (the order of Python's tempfile), else /tmp."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if environ.get(name, "").startswith("/"):
            return environ[name].rstrip("/") or "/"
    return "/tmp"  # noqa: S108 - the target's directory is looked at, nothing is written


def tmp_files_of(view: View) -> dict[FileKey, TmpFile] | None:
    """(device, inode) -> file, of one process; None when not due. Refused when descriptors or environment are."""
    if "tmp" not in view.memo:
        table = view.fd_table()
        if table is None or not view.moment.tmp_due:
            return None
        began = time.thread_time()
        view.memo["tmp"] = _look(view, table.paths)
        view.moment.add_cost("tmp", began)
    return cast("dict[FileKey, TmpFile]", view.memo["tmp"])


def all_tmp_files(views: Sequence[View]) -> dict[FileKey, TmpFile]:
    """The files of the whole tree, each once, with those that a process left behind when it closed them or ended."""
    found: dict[FileKey, TmpFile] = {}
    for view in views:
        found.update(tmp_files_of(view) or {})
    seen = views[0].moment.tmp_seen
    for key, path in list(seen.items()):
        if key not in found:
            status = _status(views[0], path)
            if status is None or (status.st_dev, status.st_ino) != key:
                del seen[key]
            else:
                found[key] = _entry(status, path)[1]
    return found


def _look(view: View, paths: Mapping[str, str]) -> dict[FileKey, TmpFile]:
    directory, own = _places(view)
    found = dict(_open_files(view, paths, directory, own))
    seen = view.moment.tmp_seen
    for key, file in found.items():
        if file.path is not None and len(seen) < _MOST:
            seen[key] = file.path
    found.update(_in_private(view, directory))
    return found


def _places(view: View) -> tuple[str, str]:
    """The temporary directory, and the working directory: what a program keeps where it lives is not temporary."""
    memory = view.process.memory
    if "tmp_dir" not in memory:
        memory["tmp_dir"] = temp_dir(parse_environ(view.process.files.read("environ")))
    return str(memory["tmp_dir"]), view.process.files.link("cwd")


def _open_files(view: View, paths: Mapping[str, str], directory: str, own: str) -> Iterator[tuple[FileKey, TmpFile]]:
    output = {paths.get(number) for number in ("0", "1", "2")}
    for number, path in paths.items():
        if not path.startswith(f"{directory}/") or path in output:
            continue
        if own.startswith(f"{directory}/") and path.startswith(f"{own}/"):
            continue
        try:
            status = view.process.files.stat(f"fd/{number}")
        except ProcessGone:  # closed since the table was read
            continue
        if stat.S_ISREG(status.st_mode):
            yield _entry(status, None if path.endswith(_DELETED) else path)


def _status(view: View, path: str) -> os.stat_result | None:
    try:
        return view.process.files.stat(f"root{path}")
    except (ProcessGone, Refused):
        return None


def _in_private(view: View, directory: str) -> Iterator[tuple[FileKey, TmpFile]]:
    """The files in a directory that is the target's alone, less those that were there at the first look."""
    if view.process.memory.get("tmp_private") is None:
        view.process.memory["tmp_private"] = _is_private(view, directory)
    if not view.process.memory["tmp_private"]:
        return
    files = dict(_walk(f"{view.process.files.path}/root{directory}", directory))
    before = view.process.memory.setdefault("tmp_before", frozenset(files))
    assert isinstance(before, frozenset)
    yield from ((key, file) for key, file in files.items() if key not in before)


def _is_private(view: View, directory: str) -> bool:
    status = _status(view, directory)
    if status is None:
        return False
    if _is_here(temp_dir(os.environ), status):
        return False
    user = view.process.files.stat("stat").st_uid
    if status.st_uid == user and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return True
    return not _is_here(directory, status)


def _is_here(directory: str, status: os.stat_result) -> bool:
    """Whether what soak finds at this path is the same folder."""
    try:
        ours = Path(directory).stat()
    except OSError:
        return False
    return (ours.st_dev, ours.st_ino) == (status.st_dev, status.st_ino)


def _walk(real: str, shown: str) -> Iterator[tuple[FileKey, TmpFile]]:
    count = 0
    for folder, _, names in os.walk(real):
        for name in names:
            count += 1
            if count > _MOST:
                return
            path = f"{folder}/{name}"
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield _entry(status, shown + path[len(real) :])


def _entry(status: os.stat_result, path: str | None) -> tuple[FileKey, TmpFile]:
    return (status.st_dev, status.st_ino), TmpFile(status.st_blocks * 512, path)
