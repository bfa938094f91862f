"""Where a process and all it started listen: for messages and for `soak init`, not for sampling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil


def listening_ports(pids: Iterable[int]) -> list[int]:
    """TCP ports on which these processes or their children listen, in order; what may not be seen is left out."""
    found: set[int] = set()
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    sockets = process.net_connections("tcp")
                    found.update(item.laddr.port for item in sockets if item.status == psutil.CONN_LISTEN)
    return sorted(found)
