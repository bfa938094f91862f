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


def _column(name: str, kind: Any, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


runs = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _column("name", sa.Text),
    _column("host", sa.Text),
    _column("status", sa.Text),
    sa.Column("started", sa.Double, nullable=False, index=True),
    _column("ended", sa.Double, null=True),
    _column("duration_s", sa.Double, null=True),
    _column("version", sa.Text, null=True),
    _column("soak_version", sa.Text),
    _column("cycle_seconds", sa.Double),
    _column("quiet_seconds", sa.Double),
    _column("cycles_planned", sa.Integer, null=True),
    _column("verdict", sa.Text, null=True),
    _column("exit_code", sa.Integer, null=True),
    _column("baseline", sa.Text, null=True),
    _column("owner_pid", sa.BigInteger, null=True),
    _column("owner_start", sa.BigInteger, null=True),
    _column("last_write", sa.Double),
    _column("config", Json),
    _column("target", Json),
    _column("error", Json, null=True),
)

segments = sa.Table(
    "segments",
    METADATA,
    _run(),
    _column("number", sa.Integer),
    _column("ms", sa.BigInteger),
    _column("why", sa.Text),
    _column("agent_mode", sa.Text),
    _key("run_id", "number"),
)

processes = sa.Table(
    "processes",
    METADATA,
    _run(),
    _column("pid", sa.BigInteger),
    _column("start_time", sa.BigInteger),
    _column("role", sa.Text),
    _column("segment", sa.Integer),
    _column("first_ms", sa.BigInteger),
    _column("last_ms", sa.BigInteger),
    _column("name", sa.Text),
    _column("cmdline", Json),
    _key("run_id", "pid", "start_time"),
)

owned_processes = sa.Table(
    "owned_processes",
    METADATA,
    _run(),
    _column("pid", sa.BigInteger),
    _column("start_time", sa.BigInteger),
    _column("what", sa.Text),
    _key("run_id", "pid", "start_time"),
)

cycles = sa.Table(
    "cycles",
    METADATA,
    _run(),
    _column("number", sa.Integer),
    _column("ms0", sa.BigInteger),
    _column("ms1", sa.BigInteger),
    _column("complete", sa.Boolean),
    _column("segment", sa.Integer),
    _key("run_id", "number"),
)

series = sa.Table(
    "series",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _run(),
    _column("name", sa.Text),
    _column("unit", sa.Text),
    _column("process", sa.Text),
    _column("gates", sa.Boolean),
    sa.UniqueConstraint("run_id", "name", "process"),
)

samples = sa.Table(
    "samples",
    METADATA,
    sa.Column("series_id", BigId, sa.ForeignKey("series.id"), nullable=False, autoincrement=False),
    _column("ms", sa.BigInteger),
    _column("value", sa.Double, null=True),
    _column("cost_us", sa.Integer, null=True),
    _key("series_id", "ms"),
    sqlite_with_rowid=False,
)

events = sa.Table(
    "events",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _run(index=True),
    _column("ms0", sa.BigInteger),
    _column("ms1", sa.BigInteger, null=True),
    _column("kind", sa.Text),
    _column("key", sa.Text, null=True),
    _column("detail", Json),
    sa.UniqueConstraint("run_id", "kind", "key"),
)

load_windows = sa.Table(
    "load_windows",
    METADATA,
    _run(),
    _column("scenario", sa.Text),
    _column("ms0", sa.BigInteger),
    _column("ms1", sa.BigInteger),
    _column("cycle", sa.Integer),
    _column("phase", sa.Text),
    *(_column(name, sa.BigInteger) for name in ("due", "sent", "landed", "failed", "dropped")),
    _column("limited", sa.Boolean),
    _key("run_id", "scenario", "ms0"),
    sqlite_with_rowid=False,
)

load_cycles = sa.Table(
    "load_cycles",
    METADATA,
    _run(),
    _column("cycle", sa.Integer),
    _column("scenario", sa.Text),
    *(_column(name, sa.BigInteger) for name in ("due", "sent", "landed", "failed", "dropped")),
    _column("limited", sa.Boolean),
    _column("errors", Json),
    *(_column(name, sa.LargeBinary) for name in ("lateness", "service", "response")),
    _column("checks", Json),
    _column("detail", Json),
    _key("run_id", "cycle", "scenario"),
)

frames = sa.Table(
    "frames",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    _column("file", sa.Text),
    _column("line", sa.Integer),
    _column("function", sa.Text),
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
    _column("position", sa.Integer),  # 0 is the outermost
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
    _column("process", sa.Text),
    _column("ms", sa.BigInteger),
    _column("cycle", sa.Integer),
    _column("phase", sa.Text),
    _column("segment", sa.Integer),
    _column("agent_mode", sa.Text),
    _column("frames", sa.Integer, null=True),
    _column("collected", sa.Boolean),
    *(_column(name, sa.Double, null=True) for name in ("pause_ms", "traced_bytes", "agent_bytes")),
    *(_column(name, sa.BigInteger, null=True) for name in ("gc_objects", "tasks", "threads")),
    _column("warnings", Json),
    _column("detail", Json),
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
    _column("domain", sa.Text),
    _column("bytes", sa.Double),
    _column("count", sa.Double),
    _column("error", sa.Double, null=True),
    _column("partial", sa.Boolean),
    _key("reading_id", "stack_id", "domain"),
    sqlite_with_rowid=False,
)

reading_births = sa.Table(
    "reading_births",
    METADATA,
    _reading(),
    _stack(),
    _column("domain", sa.Text),
    _column("birth_cycle", sa.Integer),
    _column("bytes", sa.Double),
    _key("reading_id", "stack_id", "domain", "birth_cycle"),
    sqlite_with_rowid=False,
)

reading_types = sa.Table(
    "reading_types",
    METADATA,
    _reading(),
    sa.Column("type_id", BigId, sa.ForeignKey("types.id"), nullable=False, index=True),
    _column("count", sa.BigInteger),
    _column("bytes", sa.BigInteger, null=True),
    _key("reading_id", "type_id"),
    sqlite_with_rowid=False,
)

reading_handles = sa.Table(
    "reading_handles",
    METADATA,
    _reading(),
    _column("number", sa.Integer),
    _column("kind", sa.Text),
    _stack(),
    _column("count", sa.BigInteger),
    _column("detail", sa.Text),
    _key("reading_id", "number"),
    sqlite_with_rowid=False,
)

analyses = sa.Table(
    "analyses",
    METADATA,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    _column("cycle", sa.Integer, null=True),
    _column("ms", sa.BigInteger),
    _column("result", Json),
)
