"""What runs found, until the alerts of the store have it: a store that is away at the end of a run loses no alert."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass

from soak_storage import StoreUnavailable
from soak_storage.alerts import Alerts, Finding

LOG = logging.getLogger(__name__)
MOST = 100  # runs that wait at once; the oldest gives way


@dataclass(frozen=True, slots=True)
class News:
    """What one run found; `resolve` when it can also tell what is gone. `now` is the wall time at its end."""

    name: str
    run_id: int
    findings: tuple[Finding, ...]
    now: float
    resolve: bool


class Unstored:
    """Keeps news in order: what the next run found comes after what this one did. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: deque[News] = deque()

    def __len__(self) -> int:
        return len(self._news)

    def add(self, news: News) -> None:
        """Behind what waits already."""
        with self._lock:
            self._news.append(news)
            if len(self._news) > MOST:
                LOG.error("the alerts of run %d are lost: too many wait for the store", self._news.popleft().run_id)

    def store(self, alerts: Alerts) -> None:
        """Raise and resolve by all of them. StoreUnavailable: the rest waits on."""
        with self._lock:
            while self._news:
                _take_over(alerts, self._news[0])
                self._news.popleft()


def _take_over(alerts: Alerts, news: News) -> None:
    try:
        alerts.update(news.name, news.run_id, news.findings, news.now, resolve=news.resolve)
    except StoreUnavailable:
        raise
    except Exception:  # what the store refuses for good must not keep back what later runs find
        LOG.exception("the alerts of run %d are lost: a fault in soak itself, please report it", news.run_id)
