"""What a crashed soak left behind: its open runs are closed, processes that are still there are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import replace

from soak.agentfolder import clear_agent_folders
from soak_probes import start_time_of
from soak_storage import Store


def is_alive(pid: int, start_time: int) -> bool:
    """Is the process of this pid still the one that began at `start_time` (clock ticks since boot)?"""
    return start_time_of(pid) == start_time


def close_cut_off(store: Store) -> list[int]:
    """Close as interrupted the runs of this machine whose soak is gone; their ids."""
    return store.close_orphaned_runs(is_alive, host=socket.gethostname())


def clear_leftovers(store: Store, *, but: int | None = None) -> list[int]:
    """Close runs of this machine whose soak is gone, and kill what they had started; the ids of the closed runs.

    Called before a run begins, when this process has none that is going on `but` the one that it goes on with. One that
    it could not close, with the disk full at its end, is closed now.

    The warden has normally ended those processes already: this is for one that was killed as well. A pid that another
    process has by now is not touched.
    """
    mine = os.getpid()
    closed = store.close_orphaned_runs(
        lambda pid, start: pid != mine and is_alive(pid, start), host=socket.gethostname(), but=but
    )
    clear_agent_folders(is_alive)
    owned_by_runs = list(store.owned_processes(host=socket.gethostname()))
    # Asked after: what a run owned by then was its own while it ran, and one that begins meanwhile is not touched.
    running = {run.id for run in store.running()}
    for run_id, owned in owned_by_runs:
        if run_id in running:
            continue
        if is_alive(owned.pid, owned.start_time):
            with contextlib.suppress(ProcessLookupError):
                os.kill(owned.pid, signal.SIGKILL)
        store.write(run_id, [replace(owned, gone=True)])
    return closed
