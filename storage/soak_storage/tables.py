"""The tables as SQLAlchemy sees them today; `migrations/versions` holds how they came to be.

Times inside a run are integers of milliseconds since its start: 4 bytes in SQLite for a 12-hour run where a float takes
8, and good enough at the shortest interval of 250 ms. Frames, stacks and types are interned for the whole store, so a
site costs a row of numbers per reading and its text is there once.
"""

from __future__ import annotations

import json
import math
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # only INTEGER becomes the rowid there


def clean(value: Any) -> Any:
    """`value` as JSON knows it: NaN and infinities become null, tuples lists, keys strings, everything else its str."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [clean(item) for item in value]
    if hasattr(value, "items"):
        return {str(key): clean(item) for key, item in value.items()}
    return str(value)


class Json(sa.TypeDecorator[Any]):
    """JSON as compact text: the same in SQLite and Postgres, and never NaN."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Text for the database; None stays NULL."""
        return None if value is None else json.dumps(clean(value), separators=(",", ":"), ensure_ascii=False)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        """What was stored."""
        return None if value is None else json.loads(value)


def _key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names)


def _run(*, index: bool = False) -> sa.Column[int]:
    return sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), nullable=False, index=index)


def column(name: str, kind: Any, *, null: bool = False) -> sa.Column[Any]:
    """A plain column, NOT NULL unless it is said."""
    return sa.Column(name, kind, nullable=null)


runs = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    column("name", sa.Text),
    column("host", sa.Text),
    column("status", sa.Text),
    sa.Column("started", sa.Double, nullable=False, index=True),
    column("ended", sa.Double, null=True),
    column("duration_s", sa.Double, null=True),
    column("version", sa.Text, null=True),
    column("soak_version", sa.Text),
    column("cycle_seconds", sa.Double),
    column("quiet_seconds", sa.Double),
    column("cycles_planned", sa.Integer, null=True),
    column("verdict", sa.Text, null=True),
    column("exit_code", sa.Integer, null=True),
    column("baseline", sa.Text, null=True),
    column("owner_pid", sa.BigInteger, null=True),
    column("owner_start", sa.BigInteger, null=True),
    column("last_write", sa.Double),
    sa.Column("thinned_ms", sa.BigInteger, nullable=False, server_default="0"),  # samples before it are buckets
    column("config", Json),
    column("target", Json),
    column("error", Json, null=True),
)

segments = sa.Table(
    "segments",
    METADATA,
    _run(),
    column("number", sa.Integer),
    column("ms", sa.BigInteger),
    column("why", sa.Text),
    column("agent_mode", sa.Text),
    _key("run_id", "number"),
)

processes = sa.Table(
    "processes",
    METADATA,
    _run(),
    column("pid", sa.BigInteger),
    column("start_time", sa.BigInteger),
    column("role", sa.Text),
    column("segment", sa.Integer),
    column("first_ms", sa.BigInteger),
    column("last_ms", sa.BigInteger),
    column("name", sa.Text),
    column("cmdline", Json),
    _key("run_id", "pid", "start_time"),
)

owned_processes = sa.Table(
    "owned_processes",
    METADATA,
    _run(),
    column("pid", sa.BigInteger),
    column("start_time", sa.BigInteger),
    column("what", sa.Text),
    _key("run_id", "pid", "start_time"),
)

cycles = sa.Table(
    "cycles",
    METADATA,
    _run(),
    column("number", sa.Integer),
    column("ms0", sa.BigInteger),
    column("ms1", sa.BigInteger),
    column("complete", sa.Boolean),
    column("segment", sa.Integer),
    _key("run_id", "number"),
)

series = sa.Table(
    "series",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _run(),
    column("name", sa.Text),
    column("unit", sa.Text),
    column("process", sa.Text),
    column("gates", sa.Boolean),
    sa.UniqueConstraint("run_id", "name", "process"),
)

samples = sa.Table(
    "samples",
    METADATA,
    sa.Column("series_id", BigId, sa.ForeignKey("series.id"), nullable=False, autoincrement=False),
    column("ms", sa.BigInteger),
    column("value", sa.Double, null=True),
    column("cost_us", sa.Integer, null=True),
    _key("series_id", "ms"),
    sqlite_with_rowid=False,
)

events = sa.Table(
    "events",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _run(index=True),
    column("ms0", sa.BigInteger),
    column("ms1", sa.BigInteger, null=True),
    column("kind", sa.Text),
    column("key", sa.Text, null=True),
    column("detail", Json),
    sa.UniqueConstraint("run_id", "kind", "key"),
)

load_windows = sa.Table(
    "load_windows",
    METADATA,
    _run(),
    column("scenario", sa.Text),
    column("ms0", sa.BigInteger),
    column("ms1", sa.BigInteger),
    column("cycle", sa.Integer),
    column("phase", sa.Text),
    *(column(name, sa.BigInteger) for name in ("due", "sent", "landed", "failed", "dropped")),
    column("limited", sa.Boolean),
    _key("run_id", "scenario", "ms0"),
    sqlite_with_rowid=False,
)

load_cycles = sa.Table(
    "load_cycles",
    METADATA,
    _run(),
    column("cycle", sa.Integer),
    column("scenario", sa.Text),
    *(column(name, sa.BigInteger) for name in ("due", "sent", "landed", "failed", "dropped")),
    column("limited", sa.Boolean),
    column("errors", Json),
    *(column(name, sa.LargeBinary) for name in ("lateness", "service", "response")),
    column("checks", Json),
    column("detail", Json),
    _key("run_id", "cycle", "scenario"),
)

frames = sa.Table(
    "frames",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    column("file", sa.Text),
    column("line", sa.Integer),
    column("function", sa.Text),
    sa.UniqueConstraint("file", "line", "function"),
)

stacks = sa.Table(
    "stacks",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
)

stack_frames = sa.Table(
    "stack_frames",
    METADATA,
    sa.Column("stack_id", BigId, sa.ForeignKey("stacks.id"), nullable=False, autoincrement=False),
    column("position", sa.Integer),  # 0 is the outermost
    sa.Column("frame_id", BigId, sa.ForeignKey("frames.id"), nullable=False, index=True),
    _key("stack_id", "position"),
    sqlite_with_rowid=False,
)

types = sa.Table(
    "types",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

readings = sa.Table(
    "readings",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _run(),
    column("process", sa.Text),
    column("ms", sa.BigInteger),
    column("cycle", sa.Integer),
    column("phase", sa.Text),
    column("segment", sa.Integer),
    column("agent_mode", sa.Text),
    column("frames", sa.Integer, null=True),
    column("collected", sa.Boolean),
    *(column(name, sa.Double, null=True) for name in ("pause_ms", "traced_bytes", "agent_bytes")),
    *(column(name, sa.BigInteger, null=True) for name in ("gc_objects", "tasks", "threads")),
    column("warnings", Json),
    column("detail", Json),
    sa.UniqueConstraint("run_id", "process", "ms"),
)


def _reading() -> sa.Column[int]:
    return sa.Column("reading_id", BigId, sa.ForeignKey("readings.id"), nullable=False, autoincrement=False)


def _stack() -> sa.Column[int]:
    return sa.Column("stack_id", BigId, sa.ForeignKey("stacks.id"), nullable=False, index=True)


reading_sites = sa.Table(
    "reading_sites",
    METADATA,
    _reading(),
    _stack(),
    column("domain", sa.Text),
    column("bytes", sa.Double),
    column("count", sa.Double),
    column("error", sa.Double, null=True),
    column("partial", sa.Boolean),
    _key("reading_id", "stack_id", "domain"),
    sqlite_with_rowid=False,
)

reading_births = sa.Table(
    "reading_births",
    METADATA,
    _reading(),
    _stack(),
    column("domain", sa.Text),
    column("birth_cycle", sa.Integer),
    column("bytes", sa.Double),
    _key("reading_id", "stack_id", "domain", "birth_cycle"),
    sqlite_with_rowid=False,
)

reading_types = sa.Table(
    "reading_types",
    METADATA,
    _reading(),
    sa.Column("type_id", BigId, sa.ForeignKey("types.id"), nullable=False, index=True),
    column("count", sa.BigInteger),
    column("bytes", sa.BigInteger, null=True),
    _key("reading_id", "type_id"),
    sqlite_with_rowid=False,
)

reading_handles = sa.Table(
    "reading_handles",
    METADATA,
    _reading(),
    column("number", sa.Integer),
    column("kind", sa.Text),
    _stack(),
    column("count", sa.BigInteger),
    column("detail", sa.Text),
    _key("reading_id", "number"),
    sqlite_with_rowid=False,
)

analyses = sa.Table(
    "analyses",
    METADATA,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    column("cycle", sa.Integer, null=True),
    column("ms", sa.BigInteger),
    column("result", Json),
)
