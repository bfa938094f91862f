"""What goes into the store and what comes out of it: frozen records, nothing of SQL.

Times `t` are seconds (float) since the run began on the monotonic axis and are kept to the millisecond; wall times
are seconds since the epoch, UTC. A stack is a tuple of frames `(file, line, function)`, the innermost LAST, as Python
prints a traceback. Rows with a key (named in their docstring) may be written again: the later replaces the earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Frame = tuple[str, int, str]
Stack = tuple[Frame, ...]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunStart:
    """What is known when a run begins; `config`, `target` and everything else is redacted by the store itself."""

    name: str
    host: str
    started: float  # wall time
    soak_version: str
    cycle_seconds: float
    quiet_seconds: float
    cycles_planned: int | None  # None: until it is stopped
    config: Json
    target: Json = field(default_factory=dict)  # command, pids, python ... as the report shows them
    version: str | None = None  # of the target, from target.version_command
    owner_pid: int | None = None  # the soak process that writes this run
    owner_start: int | None = None  # its start time in clock ticks since boot: tells a reused pid


# ---------------------------------------------------------------------------------------------------------- written


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One value of one series; `value` None is a gap (the probe could not tell). Key: name, process, t."""

    t: float
    name: str
    unit: str  # bytes, count, ratio, seconds ...
    value: float | None
    process: str = "total"  # or "<pid>:<role>"
    cost_us: float | None = None  # what the probe took
    gates: bool = False  # does this series decide the verdict; the last value written counts


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened: gap, restart, outage, fault, exit, note ... With a `key`, key: kind, key.

    An event still going on is written with `t1` None and a `key`, and written again with the same key when it ends.
    """

    kind: str
    t0: float
    t1: float | None = None
    detail: Json = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class SiteRow:
    """Live memory allocated by one stack, in bytes and blocks; `error` is its standard error when it was sampled."""

    stack: Stack
    bytes: float
    count: float
    error: float | None = None  # bytes
    partial: bool = False  # the stack was cut off
    domain: str = "python"  # or "native"
    births: Mapping[int, int] = field(default_factory=dict)  # live bytes by the cycle that allocated them


@dataclass(frozen=True, slots=True)
class TypeRow:
    """Live objects of one type."""

    type: str
    count: int
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HandleRow:
    """Open descriptors, sockets, children, threads, tasks or temporary files born at one stack."""

    kind: str
    count: int
    stack: Stack
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One answer of the agent: what one process looks like from inside, in one trough. Key: process, t."""

    t: float
    cycle: int
    process: str
    phase: str = "quiet"
    segment: int = 0
    agent_mode: str = "off"  # sampler, tracemalloc, off
    frames: int | None = None
    collected: bool = False
    pause_ms: float | None = None
    traced_bytes: float | None = None
    agent_bytes: float | None = None
    gc_objects: int | None = None
    tasks: int | None = None
    threads: int | None = None
    sites: tuple[SiteRow, ...] = ()
    types: tuple[TypeRow, ...] = ()
    handles: tuple[HandleRow, ...] = ()
    warnings: tuple[str, ...] = ()
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadWindowRow:
    """What one scenario did from `t0` to `t1`. Key: scenario, t0."""

    t0: float
    t1: float
    cycle: int
    phase: str
    scenario: str
    due: int
    sent: int
    landed: int
    failed: int
    dropped: int
    limited: bool = False  # the generator, not the target, was the limit


@dataclass(frozen=True, slots=True)
class LoadCycleRow:
    """The sums of one scenario over one cycle, with its latency histograms as blobs. Key: cycle, scenario."""

    cycle: int
    scenario: str
    due: int
    sent: int
    landed: int
    failed: int
    dropped: int
    errors: Mapping[str, int] = field(default_factory=dict)  # by kind
    lateness: bytes = b""  # histogram: sent later than intended
    service: bytes = b""  # histogram: from sending
    response: bytes = b""  # histogram: from the intended time of sending
    limited: bool = False
    checks: Json = field(default_factory=dict)  # what the validators of streams counted
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CycleRow:
    """Cycle `number` from `t0` to `t1`; `complete` once its quiet phase has ended. Key: number."""

    number: int
    t0: float
    t1: float
    complete: bool
    segment: int = 0


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """From `t` on, values are not compared with earlier ones: restart, change of agent mode ... Key: number."""

    number: int
    t: float
    why: str
    agent_mode: str = "off"


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """A process of the target. Key: pid, start_time."""

    pid: int
    start_time: int  # clock ticks since boot
    role: str  # main, worker, child, orphan
    first_t: float
    last_t: float
    segment: int = 0
    name: str = ""
    cmdline: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnedRow:
    """A process that soak started and must end, even after a crash; `gone` takes it back. Key: pid, start_time."""

    pid: int
    start_time: int
    what: str = ""  # target, load worker, warden ...
    gone: bool = False


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """The computed report after `cycle` (None: of the whole run); only the latest of a run is kept.

    Its `verdict` and `exit_code` are copied to the run, so that lists of runs need not open it.
    """

    t: float
    result: Json
    cycle: int | None = None


Record = (
    SampleRow
    | EventRow
    | ReadingRow
    | LoadWindowRow
    | LoadCycleRow
    | CycleRow
    | SegmentRow
    | ProcessRow
    | OwnedRow
    | AnalysisRow
)


# ------------------------------------------------------------------------------------------------------------- read


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as lists show it."""

    id: int
    name: str
    host: str
    status: str  # running, completed, interrupted, failed
    started: float  # wall time
    ended: float | None
    duration_s: float | None
    version: str | None
    soak_version: str
    cycle_seconds: float
    quiet_seconds: float
    cycles_planned: int | None
    verdict: str | None
    exit_code: int | None
    baseline: str | None  # the name under which it is the baseline
    owner_pid: int | None
    owner_start: int | None
    last_write: float  # wall time of the last commit


@dataclass(frozen=True, slots=True)
class RunInfo(RunSummary):
    """A run with its (redacted) configuration, its target and the error that ended it."""

    config: Json = field(default_factory=dict)
    target: Json = field(default_factory=dict)
    error: Json | None = None


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series of a run; `id` is what `Store.samples` wants."""

    id: int
    name: str
    unit: str
    process: str
    gates: bool

    @property
    def role(self) -> str:
        """`total`, or the role part of `<pid>:<role>`."""
        return self.process.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class BucketRow:
    """Samples from `t0` to `t1` that were thinned: how many values and gaps, the least, the mean, the greatest."""

    t0: float
    t1: float
    count: int
    gaps: int
    low: float | None
    mean: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class SitePoint:
    """One site in one reading."""

    t: float
    cycle: int
    segment: int
    process: str
    bytes: float
    count: float
    error: float | None
    births: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SiteSeries:
    """Everything read about one allocating stack in a run, by time; readings that lack it did not send it."""

    stack_id: int
    stack: Stack
    domain: str
    partial: bool
    points: tuple[SitePoint, ...]


@dataclass(frozen=True, slots=True)
class TypePoint:
    """One type in one reading."""

    t: float
    cycle: int
    segment: int
    process: str
    count: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class TypeSeries:
    """Everything read about one type in a run, by time."""

    type: str
    points: tuple[TypePoint, ...]


@dataclass(frozen=True, slots=True)
class HandlePoint:
    """Handles of one birth place in one reading."""

    t: float
    cycle: int
    segment: int
    process: str
    count: int
    detail: str


@dataclass(frozen=True, slots=True)
class HandleSeries:
    """Everything read about one kind of handle born at one stack, by time."""

    kind: str
    stack_id: int
    stack: Stack
    points: tuple[HandlePoint, ...]
