"""How much memory a reading may borrow from the target: never so much that the reading itself brings it down."""

from __future__ import annotations

import os

from .stdlib import read_file

SHARE = 0.25  # of what is left, at most: the rest stays for the target
FREE = 8 * 1024 * 1024  # bytes that are never worth refusing


def room_for(need: int) -> str:
    """Empty when `need` bytes may be borrowed, else why not."""
    if need <= FREE:
        return ""
    for name, left in (("memory of the machine", _available()), ("memory of the cgroup", _cgroup())):
        if left is not None and need > left * SHARE:
            return f"it would borrow {need >> 20} MB and {left >> 20} MB are left ({name})"
    return ""


def _available() -> int | None:
    try:
        for line in read_file("/proc/meminfo").splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _cgroup() -> int | None:
    """What the tightest cgroup above us leaves, version 2 or 1; None without a limit."""
    left: list[int] = []
    try:
        lines = read_file("/proc/self/cgroup").decode().splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            left.extend(_walk("/sys/fs/cgroup", path, "memory.max", "memory.current"))
        elif "memory" in controllers.split(","):
            left.extend(_walk("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes"))
    return min(left) if left else None


def _walk(root: str, path: str, limit: str, usage: str) -> list[int]:
    found = []
    while True:
        try:
            found.append(_number(f"{root}{path.rstrip('/')}/{limit}") - _number(f"{root}{path.rstrip('/')}/{usage}"))
        except (OSError, ValueError):  # no such level, or "max"
            pass
        if path in ("", "/"):
            return found
        path = os.path.dirname(path)


def _number(path: str) -> int:
    return int(read_file(path))
