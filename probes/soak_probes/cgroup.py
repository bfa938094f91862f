"""Control groups, version 1 and 2: where a process's group is mounted, and what its files say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soak_probes.parse import parse_pids

_UNLIMITED = 1 << 62
_OOM_KILL = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)
V2 = ""  # the key of the unified hierarchy


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted hierarchy: its controllers (V2 for the unified one), where, and which group its root shows."""

    controllers: frozenset[str]
    point: str
    root: str


def parse_cgroup(data: str) -> Mapping[str, str]:
    """controller -> group of /proc/PID/cgroup; the unified hierarchy under V2."""
    groups: dict[str, str] = {}
    for line in data.splitlines():
        _, controllers, group = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller.removeprefix("name=")] = group
    return groups


def parse_mounts(data: str) -> list[Mount]:
    """The cgroup mounts in /proc/PID/mountinfo (proc_pid_mountinfo(5))."""
    mounts = []
    for line in data.splitlines():
        before, separator, after = line.partition(" - ")
        fields, tail = before.split(), after.split()
        if not separator or tail[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = {V2} if tail[0] == "cgroup2" else set(tail[2].split(","))
        mounts.append(Mount(frozenset(controllers), _unescape(fields[4]), _unescape(fields[3])))
    return mounts


def group_folder(controller: str, groups: Mapping[str, str], mounts: list[Mount]) -> Path | None:
    """Where the group of a controller lies: its own hierarchy (version 1) if it has one, else the unified one."""
    for name in (controller, V2):
        group = groups.get(name)
        for mount in mounts:
            if group is not None and name in mount.controllers:
                folder = _below(mount, group)
                if folder is not None:
                    return folder
    return None


def controller_folder(controller: str, pid: int, proc_root: str = "/proc") -> Path | None:
    """The folder of one controller for a process, as mounted here."""
    try:
        groups = parse_cgroup(Path(proc_root, str(pid), "cgroup").read_text())
        mounts = parse_mounts(Path(proc_root, "self", "mountinfo").read_text())
    except (OSError, ValueError):
        return None
    return group_folder(controller, groups, mounts)


def parse_flat(data: str) -> dict[str, int]:
    """A `key value` file such as memory.events, memory.stat, memory.oom_control or vmstat."""
    pairs = (line.split() for line in data.splitlines())
    return {words[0]: int(words[1]) for words in pairs if len(words) == 2 and words[1].isdigit()}


@dataclass(frozen=True, slots=True)
class OomKills:
    """Reads how often the kernel killed for memory; None when it cannot be told."""

    path: Path | None
    of_group: bool  # and not of the whole machine

    def __call__(self) -> int | None:
        """The number now."""
        return _oom_kill(self.path) if self.path else None


def oom_kills(pid: int, proc_root: str = "/proc") -> OomKills:
    """How often the kernel killed for memory in the group that `pid` is in now, or else on the whole machine."""
    folder = controller_folder("memory", pid, proc_root)
    candidates = [folder / "memory.events", folder / "memory.oom_control"] if folder else []
    machine = Path(proc_root, "vmstat")
    # Decided once: the group may be gone when its process is, and another file's number would not compare.
    chosen = next((path for path in [*candidates, machine] if _oom_kill(path) is not None), None)
    return OomKills(chosen, chosen != machine)


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """Memory of a control group in bytes: `working_set` is what cannot be given back by dropping idle page cache."""

    usage: int
    working_set: int
    cache: int


def group_memory(folder: Path) -> GroupMemory | None:
    """Read a group's memory, version 2 or 1; None if the folder has no memory controller.

    The working set is usage less inactive file pages, as kubelet and the OOM decision see it: page cache that grows
    with every file read would else look like a leak.
    """
    try:
        stat = parse_flat((folder / "memory.stat").read_text())
        if (folder / "memory.current").exists():
            usage = int((folder / "memory.current").read_text())
            idle, cache = stat["inactive_file"], stat["file"]
        else:
            usage = int((folder / "memory.usage_in_bytes").read_text())
            idle, cache = stat["total_inactive_file"], stat["total_cache"]
    except (OSError, KeyError, ValueError):
        return None
    return GroupMemory(usage, max(0, usage - idle), cache)


def tightest(folder: Path, *names: str) -> tuple[int, Path] | None:
    """The smallest limit in a file of one of these names, in the group or any group above it; None if unlimited."""
    found: list[tuple[int, Path]] = []
    for place in (folder, *folder.parents):
        for name in names:
            limit = _limit(place / name)
            if limit is not None:
                found.append((limit, place / name))
    return min(found, default=None)


def group_pids(folder: Path) -> list[int]:
    """The processes in a group and the groups below it."""
    pids: list[int] = []
    for path in (folder / "cgroup.procs", *folder.glob("*/**/cgroup.procs")):
        try:
            pids.extend(parse_pids(path.read_bytes()))
        except OSError:  # the group went, or holds threads only
            continue
    return pids


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    # Version 1 says unlimited with the largest multiple of a page.
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


def _oom_kill(path: Path) -> int | None:
    try:
        found = _OOM_KILL.search(path.read_bytes())
    except OSError:
        return None
    return int(found[1]) if found else None


def _below(mount: Mount, group: str) -> Path | None:
    """The folder of a group below a mount that may show only a part of the hierarchy."""
    if group.startswith("/.."):
        return None  # outside this cgroup namespace
    root = mount.root.rstrip("/")
    relative = group.removeprefix(root) if root and (group + "/").startswith(root + "/") else group
    folder = Path(mount.point, relative.lstrip("/"))
    return folder if folder.is_dir() else None


def _unescape(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
