"""How the daemon stands: written by the soak as it goes on, read by the watchdog, the web part and `soak status`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from soak.checks.health import UNKNOWN, aggregate
from soak.progress import Status
from soak.recorder import RecorderStats
from soak_storage import Store
from soak_storage.records import EventRow, LoadWindowRow, Record, SampleRow

IDLE, STARTING, SOAKING, ENDING = "idle", "starting", "soaking", "ending"
VERDICTS = ("clean", "inconclusive", "leak", "failed", "error")


@dataclass(frozen=True, slots=True)
class Sums:
    """Requests of one scenario in the current run."""

    landed: int = 0
    failed: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each phase may be silent before the daemon counts as hung, in seconds."""

    idle: float = 60.0  # the main loop turns twice a second; a slow disk may hold it up
    starting: float = 600.0
    soaking: float = 60.0
    ending: float = 900.0  # the analysis of a long run, and a target that takes its time

    @classmethod
    def of(cls, startup_timeout: float, interval: float, stop_timeout: float, load_timeout: float) -> Patience:
        """For a soak: samples must be stored within five intervals and half a minute, or the target is away.

        It is stopped, a successor is looked for and then waited for until it is ready.
        """
        soaking = 30.0 + 5 * interval + stop_timeout + load_timeout + 2 * startup_timeout
        return cls(starting=startup_timeout + 120.0, soaking=soaking)


@dataclass(slots=True)
class LastRun:
    """The run that ended last."""

    run_id: int | None
    verdict: str
    ended: float  # wall time
    message: str = ""


@dataclass(slots=True)
class _Now:
    """Everything that changes with a run; replaced as a whole when one begins."""

    run_id: int | None = None
    status: Status | None = None
    samples: dict[tuple[str, str], SampleRow] = field(default_factory=dict)
    load: dict[str, Sums] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    sampled: float | None = None  # when samples were last committed, monotonic


class Standing:
    """Safe to be used from any thread."""

    def __init__(
        self,
        name: str,
        *,
        last: LastRun | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`last`: the run that ended last before the daemon began, so that a restart resolves no alert."""
        self.name = name
        self.started = wall()
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._phase = IDLE
        self._since = monotonic()
        self._patience = Patience()
        self._now = _Now()
        self._recorder: Callable[[], RecorderStats] | None = None
        self.last = last
        self.runs = dict.fromkeys(VERDICTS, 0)
        self.parts: Callable[[], Mapping[str, Mapping[str, object]]] = dict
        self.next_start: Callable[[], float | None] = lambda: None

    # ----------------------------------------------------------------------------------------------------- written

    def turn(self) -> None:
        """The main loop goes round and has nothing to soak."""
        with self._lock:
            self._enter(IDLE)

    def begin(self, patience: Patience) -> None:
        """A soak is being started."""
        with self._lock:
            self._now, self._recorder, self._patience = _Now(), None, patience
            self._enter(STARTING)

    def recording(self, run_id: int, recorder: Callable[[], RecorderStats]) -> None:
        """The run has its number, and a recorder that can be asked."""
        with self._lock:
            self._now.run_id, self._recorder = run_id, recorder

    def progress(self, status: Status) -> None:
        """The soak goes on."""
        with self._lock:
            self._now.status = status

    def committed(self, batch: Iterable[Record]) -> None:
        """These records are in the store now."""
        with self._lock:
            for record in batch:
                self._take(record)

    def ending(self) -> None:
        """No sample is due any more: the parts end, then the run is closed in the store and judged."""
        with self._lock:
            self._enter(ENDING)

    def end(self, last: LastRun) -> None:
        """The soak is over, and what was sampled and checked is no longer how things are."""
        with self._lock:
            self.last, self._recorder = last, None
            self._now = _Now(run_id=self._now.run_id)
            self.runs[last.verdict] = self.runs.get(last.verdict, 0) + 1
            self._enter(IDLE)

    def _enter(self, phase: str) -> None:
        self._phase, self._since = phase, self._monotonic()

    def _take(self, record: Record) -> None:
        now = self._now
        if isinstance(record, SampleRow):
            now.samples[record.name, record.process] = record
            now.sampled = self._monotonic()
            if self._phase == STARTING:
                self._enter(SOAKING)
        elif isinstance(record, LoadWindowRow):
            sums = now.load.get(record.scenario, Sums())
            now.load[record.scenario] = Sums(
                sums.landed + record.landed, sums.failed + record.failed, sums.dropped + record.dropped
            )
        elif isinstance(record, EventRow) and record.kind == "check" and record.t1 is None:
            now.checks[str(record.detail["name"])] = str(record.detail["state"])

    # -------------------------------------------------------------------------------------------------------- read

    @property
    def phase(self) -> str:
        """idle, starting, soaking or ending."""
        return self._phase

    @property
    def run_id(self) -> int | None:
        """Of the run that is going on, or of the last."""
        return self._now.run_id

    @property
    def status(self) -> Status | None:
        """Where the run stands, as it last told."""
        return self._now.status

    @property
    def sample_age(self) -> float | None:
        """Seconds since samples were last committed; None before the first."""
        sampled = self._now.sampled
        return None if sampled is None else self._monotonic() - sampled

    @property
    def recorder(self) -> RecorderStats | None:
        """What the recorder of the run that is going on did so far."""
        ask = self._recorder
        return None if ask is None else ask()

    def samples(self) -> list[SampleRow]:
        """The last value of each series."""
        with self._lock:
            return list(self._now.samples.values())

    def load(self) -> dict[str, Sums]:
        """Requests by scenario."""
        with self._lock:
            return dict(self._now.load)

    def checks(self) -> dict[str, str]:
        """The state of each check."""
        with self._lock:
            return dict(self._now.checks)

    def silence(self) -> float:
        """Seconds since the last sign of life of the phase that the daemon is in."""
        with self._lock:
            sampled = self._now.sampled if self._phase == SOAKING else None
            return self._monotonic() - (self._since if sampled is None else sampled)

    @property
    def alive(self) -> bool:
        """Is the daemon doing its work? While it soaks: are samples being committed?"""
        patience: float = getattr(self._patience, self._phase)
        return self.silence() <= patience

    def troubles(self) -> list[str]:
        """What is wrong with the daemon itself, in words."""
        found = []
        if not self.alive:
            found.append(f"nothing was heard for {self.silence():.0f} s while {self._phase}")
        found += [f"part {name}: {part['error']}" for name, part in self.parts().items() if part["error"]]
        stats = self.recorder
        if stats is not None and stats.dropped:
            found.append(f"{stats.dropped} records lost: {stats.last_error or 'the queue was full'}")
        return found

    def health(self) -> dict[str, Any]:
        """The aggregate: `status` is unhealthy when the daemon hangs, degraded when a part of it does not work.

        `target` is that of the checks of the run, and does not count: a sick target is no reason to restart soak.
        """
        troubles = self.troubles()
        checks = self.checks()
        return {
            "status": "unhealthy" if not self.alive else "degraded" if troubles else "healthy",
            "troubles": troubles,
            "target": {"status": aggregate(checks.values()) if checks else UNKNOWN, "checks": checks},
        }

    def sentence(self) -> str:
        """One line for a person: `systemctl status`, `soak status`."""
        last = f"; last verdict {self.last.verdict}" if self.last else ""
        status = self.status
        if self._phase == SOAKING and status is not None:
            where = f"cycle {status.cycle + 1} of {status.cycles}, {status.phase}"
            return f"run {status.run_id} of {self.name}: {where}{last}"
        if self._phase == IDLE:
            due = self.next_start()
            when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(due)) if due else "not planned"
            return f"idle, next start {when}{last}"
        return f"{self._phase} a soak of {self.name}{last}"

    def to_json(self) -> dict[str, Any]:
        """What /api/status answers."""
        status, last = self.status, self.last
        return {
            "name": self.name,
            "phase": self._phase,
            "sentence": self.sentence(),
            "started": self.started,
            "run": asdict(status) if status and self._phase != IDLE else None,
            "next_start": self.next_start(),
            "last": asdict(last) if last else None,
            "runs": dict(self.runs),
            "sample_age": self.sample_age,
            "parts": {name: dict(part) for name, part in self.parts().items()},
            "health": self.health(),
        }


def last_run(store: Store, name: str, host: str) -> LastRun | None:
    """The newest run of the target `name` on `host` that has ended with a verdict, as the store has it."""
    for run in store.runs(name=name):
        if run.host == host and run.ended is not None and run.verdict is not None:
            return LastRun(run.id, run.verdict, run.ended)
    return None


class WatchedStore(Store):
    """A store that tells a Standing what is committed: the watchdog believes nothing else."""

    def __init__(self, store: Store, standing: Standing) -> None:
        super().__init__(store.engine, store.redactor, time.time)
        self._standing = standing

    def write(self, run_id: int, batch: Sequence[Record]) -> None:
        """Write, then tell."""
        super().write(run_id, batch)
        self._standing.committed(batch)

    def end_run(self, run_id: int, status: str, ended: float, **facts: Any) -> None:
        """Close the run, then tell."""
        super().end_run(run_id, status, ended, **facts)
        if run_id == self._standing.run_id:
            self._standing.ending()
