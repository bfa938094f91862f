"""The first schema: runs, samples, readings, load, analyses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table; frozen as it was, whatever `soak_storage.tables` says later."""
    _runs()
    _run_parts()
    _series()
    _load()
    _interned()
    _readings()
    _reading_parts()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("soak_version", sa.Text(), nullable=False),
        sa.Column("cycle_seconds", sa.Double(), nullable=False),
        sa.Column("quiet_seconds", sa.Double(), nullable=False),
        sa.Column("cycles_planned", sa.Integer(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("baseline", sa.Text(), nullable=True),
        sa.Column("owner_pid", sa.BigInteger(), nullable=True),
        sa.Column("owner_start", sa.BigInteger(), nullable=True),
        sa.Column("last_write", sa.Double(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_runs_started", "runs", ["started"])


def _run_parts() -> None:
    op.create_table(
        "segments",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("agent_mode", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "number"),
    )
    op.create_table(
        "processes",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cmdline", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "pid", "start_time"),
    )
    op.create_table(
        "owned_processes",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "pid", "start_time"),
    )
    op.create_table(
        "cycles",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ms0", sa.BigInteger(), nullable=False),
        sa.Column("ms1", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "number"),
    )


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("gates", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "name", "process"),
    )
    op.create_table(
        "samples",
        sa.Column("series_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("cost_us", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"]),
        sa.PrimaryKeyConstraint("series_id", "ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("ms0", sa.BigInteger(), nullable=False),
        sa.Column("ms1", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "kind", "key"),
    )
    op.create_index("ix_events_run_id", "events", ["run_id"])


def _load() -> None:
    op.create_table(
        "load_windows",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("ms0", sa.BigInteger(), nullable=False),
        sa.Column("ms1", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("landed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("limited", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "scenario", "ms0"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "load_cycles",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("landed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("limited", sa.Boolean(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("lateness", sa.LargeBinary(), nullable=False),
        sa.Column("service", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id", "cycle", "scenario"),
    )


def _interned() -> None:
    op.create_table(
        "frames",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("function", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("file", "line", "function"),
    )
    op.create_table(
        "stacks",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "stack_frames",
        sa.Column("stack_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("frame_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(["frame_id"], ["frames.id"]),
        sa.ForeignKeyConstraint(["stack_id"], ["stacks.id"]),
        sa.PrimaryKeyConstraint("stack_id", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stack_frames_frame_id", "stack_frames", ["frame_id"])
    op.create_table(
        "types",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("agent_mode", sa.Text(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=True),
        sa.Column("collected", sa.Boolean(), nullable=False),
        sa.Column("pause_ms", sa.Double(), nullable=True),
        sa.Column("traced_bytes", sa.Double(), nullable=True),
        sa.Column("agent_bytes", sa.Double(), nullable=True),
        sa.Column("gc_objects", sa.BigInteger(), nullable=True),
        sa.Column("tasks", sa.BigInteger(), nullable=True),
        sa.Column("threads", sa.BigInteger(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "process", "ms"),
    )
    op.create_table(
        "analyses",
        sa.Column("run_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=True),
        sa.Column("ms", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"]),
        sa.PrimaryKeyConstraint("run_id"),
    )


def _reading_parts() -> None:
    op.create_table(
        "reading_sites",
        sa.Column("reading_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("stack_id", BIG_ID, nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("bytes", sa.Double(), nullable=False),
        sa.Column("count", sa.Double(), nullable=False),
        sa.Column("error", sa.Double(), nullable=True),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"]),
        sa.ForeignKeyConstraint(["stack_id"], ["stacks.id"]),
        sa.PrimaryKeyConstraint("reading_id", "stack_id", "domain"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reading_sites_stack_id", "reading_sites", ["stack_id"])
    op.create_table(
        "reading_births",
        sa.Column("reading_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("stack_id", BIG_ID, nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("birth_cycle", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"]),
        sa.ForeignKeyConstraint(["stack_id"], ["stacks.id"]),
        sa.PrimaryKeyConstraint("reading_id", "stack_id", "domain", "birth_cycle"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reading_births_stack_id", "reading_births", ["stack_id"])
    op.create_table(
        "reading_types",
        sa.Column("reading_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("type_id", BIG_ID, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"]),
        sa.ForeignKeyConstraint(["type_id"], ["types.id"]),
        sa.PrimaryKeyConstraint("reading_id", "type_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reading_types_type_id", "reading_types", ["type_id"])
    op.create_table(
        "reading_handles",
        sa.Column("reading_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("stack_id", BIG_ID, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["reading_id"], ["readings.id"]),
        sa.ForeignKeyConstraint(["stack_id"], ["stacks.id"]),
        sa.PrimaryKeyConstraint("reading_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reading_handles_stack_id", "reading_handles", ["stack_id"])
