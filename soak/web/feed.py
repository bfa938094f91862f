"""What is new, for all browsers at once: the store is asked once a second and by one thread, however many listen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from soak.errors import SoakError
from soak.standing import Standing
from soak.web.hub import Hub, Message
from soak_storage import Store
from soak_storage.alerts import Alerts
from soak_storage.curves import LoadPoint

LOG = logging.getLogger(__name__)
EVERY = 1.0  # seconds
SETTLE = 2.0  # seconds until the load of a second is counted in full
NEWEST = 5  # runs that are looked at for a change
LOOK_BACK = 30.0  # seconds that are told again of a run which somebody begins to watch
_SUMMARY = ("id", "status", "verdict")


@dataclass(slots=True)
class _Watched:
    """How far the listeners of one run have been told."""

    names: dict[int, str] = field(default_factory=dict)
    cursors: dict[int, float] = field(default_factory=dict)
    load: float = 0.0
    mark: tuple[object, ...] | None = None


class News:
    """Asks the store; each `look` answers with what changed since the last one. Used by one thread at a time."""

    def __init__(self, standing: Standing, store: Store) -> None:
        self._standing = standing
        self._store = store
        self._alerts = Alerts(store, (), repeat=0.0)
        self._watched: dict[int, _Watched] = {}
        self._told: dict[str, dict[str, Any]] = {}

    def look(self, watched: set[int]) -> list[Message]:
        """Messages for everybody, and for those who look at the runs `watched`."""
        self._watched = {run: self._watched.get(run) or self._begin(run) for run in watched}
        found = [message for message in self.standing() if self._told.get(message.event) != message.data]
        self._told.update((message.event, dict(message.data)) for message in found)
        for run, state in self._watched.items():
            found += self._news_of(run, state)
        return found

    def standing(self) -> list[Message]:
        """How everything stands, as a browser that just came needs to know it."""
        runs = [{name: getattr(run, name) for name in _SUMMARY} for run in self._store.runs(NEWEST)]
        waiting = [alert for alert in self._alerts.open() if alert.acknowledged is None]
        seen = max((alert.last_seen for alert in waiting), default=0.0)
        return [
            Message("status", status_of(self._standing)),
            Message("runs", {"newest": runs}),
            Message("alerts", {"waiting": len(waiting), "seen": seen}),
        ]

    def _begin(self, run: int) -> _Watched:
        """From a little before now: a page knows what is in it already, and must not miss what is not."""
        state = _Watched(mark=self._store.run_mark(run))
        self._name(run, state)
        start = max(0.0, self._store.last_sample(list(state.names)) - LOOK_BACK)
        state.cursors = dict.fromkeys(state.names, start)
        state.load = start
        return state

    def _name(self, run: int, state: _Watched) -> None:
        for one in self._store.series(run):
            if one.process == "total" and one.id not in state.names:
                state.names[one.id] = one.name
                state.cursors[one.id] = -1.0

    def _news_of(self, run: int, state: _Watched) -> list[Message]:
        found = []
        mark = self._store.run_mark(run)
        if mark != state.mark:
            state.mark = mark
            self._name(run, state)
            found.append(Message("changed", {"run": run}, run))
        points = self._store.samples_after(state.cursors)
        for series_id, rows in points.items():
            state.cursors[series_id] = rows[-1][0]
        load = self._load(run, state)
        if points or load:
            series = {state.names[series_id]: rows for series_id, rows in points.items()}
            found.append(Message("points", {"run": run, "series": series, "load": load}, run))
        return found

    def _load(self, run: int, state: _Watched) -> list[list[float]]:
        """The load of each second that is over."""
        until = max(state.cursors.values(), default=0.0) - SETTLE
        rows = self._store.load_curve(run, state.load, until, most=1000) if until > state.load else []
        if rows:
            state.load = rows[-1].t1
        return [load_row(row) for row in rows]


class Feed:
    """Publishes the news while somebody listens; nobody listens, nothing is asked."""

    def __init__(self, news: News, hub: Hub, reader: Executor) -> None:
        self._news = news
        self._hub = hub
        self._reader = reader
        self._task: asyncio.Task[None] | None = None

    async def first(self) -> list[Message]:
        """For a browser that just came."""
        return await self.read(self._news.standing)

    def wake(self) -> None:
        """Somebody listens."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._publish())

    async def read(self, ask: Callable[[], list[Message]]) -> list[Message]:
        """Ask in the one thread that reads."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, ask)

    async def _publish(self) -> None:
        while len(self._hub):
            watched = self._hub.watched
            try:
                for message in await self.read(partial(self._news.look, watched)):
                    self._hub.publish(message)
            except SoakError as error:  # the recorder says so too; the next look may go well
                LOG.debug("the store has no news: %s", error)
            await asyncio.sleep(EVERY)


def status_of(standing: Standing) -> dict[str, Any]:
    """What every page shows of the daemon; the same twice when nothing changed."""
    told = standing.to_json()
    told.pop("sample_age")
    return told


def load_row(row: LoadPoint) -> list[float]:
    """Middle of the stretch (s), then landed, failed and due per second."""
    width = max(row.t1 - row.t0, 1e-3)
    middle = (row.t0 + row.t1) / 2
    return [round(value, 3) for value in (middle, row.landed / width, row.failed / width, row.due / width)]
