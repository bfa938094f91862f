"""Reading one process's files below /proc, kept open where they are read at every sample."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from soak_probes.reading import NO_RIGHTS, Missing, ProcessGone, Refused

_PAGE = 4096
_BIG = 1 << 16


class ProcFiles:
    """One directory /proc/PID, held by descriptor.

    The descriptor belongs to the process and not to the number: once the process is gone every read fails, also when
    its pid was given to another one. `pread` on a file that stays open costs 2 us where open, read, close costs 12.
    """

    def __init__(self, pid: int, proc_root: str = "/proc") -> None:
        """Open the directory; ProcessGone when there is none."""
        self.pid = pid
        self.path = f"{proc_root}/{pid}"
        self._open: dict[str, int] = {}
        with _as_reasons(self.path):
            self._dir = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give all descriptors back; safe to call twice."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        if self._dir >= 0:
            os.close(self._dir)
            self._dir = -1

    def pread(self, name: str) -> bytes:
        """The first page of a file that stays open between calls; for `stat`, `statm` and other one-line files."""
        try:
            return os.pread(self._open[name], _PAGE, 0)
        except KeyError:
            with _as_reasons(name):
                self._open[name] = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)
                return os.pread(self._open[name], _PAGE, 0)
        except ProcessLookupError:
            raise ProcessGone(name) from None

    def read(self, name: str) -> bytes:
        """The whole of a file, opened for this once (smaps_rollup kept open would go stale at exec)."""
        with _as_reasons(name):
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._dir)
            try:
                return b"".join(iter(lambda: os.read(descriptor, _BIG), b""))
            finally:
                os.close(descriptor)

    def listdir(self, name: str) -> list[str]:
        """The names in a sub-directory such as `task` or `fd`."""
        with _as_reasons(name):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._dir)
            try:
                with os.scandir(descriptor) as entries:
                    return [entry.name for entry in entries]
            finally:
                os.close(descriptor)

    def links(self, name: str) -> dict[str, str]:
        """name -> target of every link in a sub-directory; a link that goes meanwhile is left out."""
        found: dict[str, str] = {}
        with _as_reasons(name):
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._dir)
            try:
                with os.scandir(descriptor) as entries:
                    for entry in entries:
                        with contextlib.suppress(FileNotFoundError):
                            found[entry.name] = os.readlink(entry.name, dir_fd=descriptor)
            finally:
                os.close(descriptor)
        return found

    def has(self, name: str) -> bool:
        """Whether the kernel has this file for this process; ProcessGone if the process is gone."""
        try:
            self.stat(name)
        except Missing:
            self.pread("stat")
            return False
        return True

    def link(self, name: str) -> str:
        """Where one link points to, for example `ns/net` or `exe`."""
        with _as_reasons(name):
            return os.readlink(name, dir_fd=self._dir)

    def stat(self, name: str) -> os.stat_result:
        """os.stat of one entry, links followed: what stands behind `fd/7` or `root/tmp`."""
        with _as_reasons(name):
            return os.stat(name, dir_fd=self._dir)


class _as_reasons:
    """Turns what the kernel refuses into Refused or ProcessGone; a plain class costs a quarter of a generator."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, FileNotFoundError):
            raise Missing(self._what) from None
        if isinstance(error, ProcessLookupError):
            raise ProcessGone(self._what) from None
        if isinstance(error, PermissionError):
            raise Refused(f"{Path(self._what).name} of this process {NO_RIGHTS}") from None
        if isinstance(error, OSError):
            raise Refused(f"{Path(self._what).name}: {error.strerror}") from None
