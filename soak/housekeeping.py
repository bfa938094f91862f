"""Keeps the store bounded while the daemon runs: one small batch at a time, and samples are stored in between."""

from __future__ import annotations

import time
from collections.abc import Callable

from soak.places import forget_run_folder, old_run_folders
from soak_storage import Store, StoreUnavailable
from soak_storage.retention import Owner, Retention

EVERY = 3600.0  # seconds between two looks for what is too old
PAUSE = 0.2  # seconds between two batches
LATER = 60.0  # seconds when the store cannot be used now


class Housekeeping:
    """A part of the daemon: thins old samples and deletes its old runs with their logs (storage.retain)."""

    name = "housekeeping"

    def __init__(
        self, store: Store, url: str, retain: float, owner: Owner, *, wall: Callable[[], float] = time.time
    ) -> None:
        """`url` as it is configured says where the logs of a run lie."""
        self._store = store
        self._owner = owner
        self._url = url
        self._wall = wall
        self.retain = retain

    def initialize(self) -> None:
        """Look afresh, also for what another `retain` lets go."""
        url = self._url
        self._retention = Retention(
            self._store, retain=self.retain, owner=self._owner, deleted=lambda run: forget_run_folder(url, run)
        )

    def loop(self, now: float) -> float:
        """One batch."""
        try:
            if self._retention.step(self._wall()):
                return PAUSE
            self._forget_logs()
        except StoreUnavailable:  # the recorder says so already, and its samples come first
            return LATER
        return EVERY

    def _forget_logs(self) -> None:
        """The old logs of runs that somebody else deleted, as `soak db prune` on another machine."""
        old = old_run_folders(self._url, self._wall() - self.retain)
        for run in old - self._store.run_ids() if old else ():
            forget_run_folder(self._url, run)

    def shutdown(self) -> None:
        """Nothing to end: a batch is a transaction."""
