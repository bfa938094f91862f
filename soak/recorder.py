"""The one writer of a run: a bounded queue, a thread behind it, and nothing acknowledged before it is committed.

`put` never blocks, so that neither a slow disk nor a locked database delays a sample. While the store cannot be written
(locked, disk full, server away) the batch is kept and tried again with a growing pause. What no longer fits into the
queue is counted, and once writing works again the loss is stored as a gap: never a silence.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soak_storage import Store, StoreUnavailable
from soak_storage.records import EventRow, LoadWindowRow, ReadingRow, Record, SampleRow

LOG = logging.getLogger(__name__)

BATCH_ROWS = 500
BATCH_SECONDS = 0.5  # what a kill -9 may cost at most
QUEUE_ROWS = 50_000  # about 10 MB, or 25 minutes of 30 series at 1 s, before samples are lost
RESERVE = 1.2  # events, readings, cycles and load still fit when samples no longer do: there are few of them
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CLOSE_SECONDS = 10.0

FULL = "the queue of the recorder was full"
CLOSED = "the recorder was closed"
REFUSED = "the store refused it"


@dataclass(frozen=True, slots=True)
class RecorderStats:
    """What the recorder did so far."""

    queued: int  # records waiting or being written
    written: int  # records committed
    dropped: int  # records lost: to a full or closed queue, or refused by the store
    batches: int
    retries: int
    last_commit: float | None  # on the monotonic clock
    last_error: str | None


class _GaveUp(Exception):
    """`close` stopped waiting for a store that cannot be written."""


def weight(record: Record) -> int:
    """Rows that a record becomes, roughly."""
    if not isinstance(record, ReadingRow):
        return 1
    births = sum(len(site.births) for site in record.sites)
    return 1 + len(record.sites) + births + len(record.types) + len(record.handles)


def _span(record: Record) -> tuple[float, float] | None:
    """The time that a lost record leaves empty, where it has one."""
    if isinstance(record, SampleRow | ReadingRow):
        return record.t, record.t
    if isinstance(record, LoadWindowRow):
        return record.t0, record.t1
    return (record.t0, record.t0) if isinstance(record, EventRow) else None


class Recorder:
    """Records of one run on their way to the store; every method may be called from any thread."""

    def __init__(
        self,
        store: Store,
        run_id: int,
        *,
        queue_rows: int = QUEUE_ROWS,
        batch_seconds: float = BATCH_SECONDS,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._run_id = run_id
        self._queue_rows = queue_rows
        self._batch_seconds = batch_seconds
        self._retry_seconds = retry_seconds
        self._monotonic = monotonic
        self._condition = threading.Condition()
        self._queue: deque[Record] = deque()
        self._rows = 0  # weight of the queue and of the batch being written
        self._oldest = 0.0  # when the first record of the queue came
        self._lost: dict[str, tuple[float, float, int]] = {}  # why: from, to, records; until it is stored
        self._accepted = self._settled = 0  # records queued; records committed or refused
        self._flushes = 0  # callers that wait
        self._closing = False
        self._give_up = threading.Event()
        self._written = self._dropped = self._batches = self._retries = 0
        self._last_commit: float | None = None
        self._last_error: str | None = None
        self._thread = threading.Thread(target=self._work, name="soak-recorder", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> bool:
        """Queue `record`; False when it was lost because the queue is full or closed. Never blocks."""
        rows = weight(record)
        with self._condition:
            room = self._queue_rows if isinstance(record, SampleRow) else self._queue_rows * RESERVE
            if self._closing or self._rows + rows > room:
                self._lose(record, CLOSED if self._closing else FULL)
                return False
            if not self._queue:
                self._oldest = self._monotonic()
            self._queue.append(record)
            self._rows += rows
            self._accepted += 1
            if len(self._queue) == 1 or self._rows >= BATCH_ROWS:
                self._condition.notify_all()
        return True

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Have everything put so far committed; False when that took longer than `timeout` seconds."""
        with self._condition:
            wanted = self._accepted
            self._flushes += 1
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._settled >= wanted or not self._thread.is_alive(), timeout)
            self._flushes -= 1
            return self._settled >= wanted

    def mark(self) -> int:
        """Stands behind everything that was put so far: for `stored`."""
        with self._condition:
            return self._accepted

    def stored(self, mark: int) -> bool:
        """Whether everything before `mark` is committed or refused by now; never waits."""
        with self._condition:
            return self._settled >= mark

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Write what is queued and stop; False when `timeout` seconds were not enough and records were left behind."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)
        self._give_up.set()
        with self._condition:
            self._condition.notify_all()
            return self._settled >= self._accepted

    @property
    def stats(self) -> RecorderStats:
        """Counts up to now."""
        with self._condition:
            return RecorderStats(
                queued=self._accepted - self._settled,
                written=self._written,
                dropped=self._dropped,
                batches=self._batches,
                retries=self._retries,
                last_commit=self._last_commit,
                last_error=self._last_error,
            )

    def _lose(self, record: Record, why: str) -> None:
        self._dropped += 1
        span = _span(record)
        if span is not None:
            t0, t1, count = self._lost.get(why, (*span, 0))
            self._lost[why] = (min(t0, span[0]), max(t1, span[1]), count + 1)

    # ---------------------------------------------------------------------------------------------- in the thread

    def _work(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._store_batch(batch)
        except _GaveUp:
            LOG.error("the store could not be written before the recorder was closed; the last records are lost")
        with self._condition:
            self._condition.notify_all()

    def _next_batch(self) -> list[Record] | None:
        """The next batch, once it is large or old enough; None when the recorder is closed and all is written."""
        with self._condition:
            while not self._give_up.is_set():
                something = bool(self._queue or self._lost)
                if something and (self._closing or self._flushes or self._due()):
                    return self._take()
                if self._closing:
                    return None
                self._condition.wait(max(0.0, self._patience()) if something else None)
        return None

    def _due(self) -> bool:
        return self._rows >= BATCH_ROWS or self._patience() <= 0

    def _patience(self) -> float:
        return self._oldest + self._batch_seconds - self._monotonic()

    def _take(self) -> list[Record]:
        batch: list[Record] = []
        rows = 0
        while self._queue and (not batch or rows + weight(self._queue[0]) <= BATCH_ROWS):
            batch.append(self._queue.popleft())
            rows += weight(batch[-1])
        return batch

    def _store_batch(self, batch: list[Record]) -> None:
        with self._condition:
            lost, self._lost = self._lost, {}
        gaps = [EventRow("gap", t0, t1, {"why": why, "lost": n}) for why, (t0, t1, n) in lost.items()]
        refused = self._persist([*batch, *gaps])
        with self._condition:
            mine = [record for record in refused if not any(record is gap for gap in gaps)]
            for record in mine:
                self._lose(record, REFUSED)
            self._rows -= sum(map(weight, batch))
            self._settled += len(batch)
            self._written += len(batch) - len(mine)
            self._condition.notify_all()

    def _persist(self, batch: Sequence[Record]) -> list[Record]:
        """Write `batch`; what is refused for good is found by halving and returned: it takes nothing with it."""
        try:
            self._write_patiently(batch)
        except _GaveUp:
            raise
        except Exception as error:  # noqa: BLE001 the daemon may not die of one bad record
            self._last_error = f"{type(error).__name__}: {error}"
            if len(batch) == 1:
                LOG.error("the store refused a %s: %s", type(batch[0]).__name__, self._last_error)
                return list(batch)
        else:
            return []
        half = len(batch) // 2
        return self._persist(batch[:half]) + self._persist(batch[half:])

    def _write_patiently(self, batch: Sequence[Record]) -> None:
        """Write `batch`, again and again while the store is locked, full or away."""
        attempt = 0
        while True:
            try:
                self._store.write(self._run_id, batch)
            except StoreUnavailable as error:
                self._wait_for_store(attempt, error)
                attempt += 1
                continue
            self._batches += 1
            self._last_commit = self._monotonic()
            return

    def _wait_for_store(self, attempt: int, error: StoreUnavailable) -> None:
        self._retries += 1
        self._last_error = error.message
        if attempt == 0:
            LOG.warning("%s Trying again; samples wait in memory.", error.message)
        if self._give_up.wait(self._retry_seconds[min(attempt, len(self._retry_seconds) - 1)]):
            raise _GaveUp
