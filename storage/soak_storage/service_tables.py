"""The tables of the service: what was thinned, alerts and when jobs are due."""

from __future__ import annotations

import sqlalchemy as sa

from soak_storage.tables import METADATA, BigId, Json, column

sample_buckets = sa.Table(
    "sample_buckets",
    METADATA,
    sa.Column("series_id", BigId, sa.ForeignKey("series.id"), nullable=False, autoincrement=False),
    column("ms", sa.BigInteger),  # where the bucket begins
    column("width_ms", sa.BigInteger),
    column("count", sa.Integer),  # values in it
    column("gaps", sa.Integer),  # samples in it that could not be told
    *(column(name, sa.Double, null=True) for name in ("low", "mean", "high")),
    sa.PrimaryKeyConstraint("series_id", "ms"),
    sqlite_with_rowid=False,
)

alerts = sa.Table(
    "alerts",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    *(column(name, sa.Text) for name in ("name", "fingerprint", "severity", "message")),
    column("detail", Json),
    column("first_run", sa.BigInteger),  # no foreign key: an alert outlives the runs that raised it
    column("last_run", sa.BigInteger),
    column("raised", sa.Double),
    column("last_seen", sa.Double),
    column("times", sa.Integer),
    *(column(name, sa.Double, null=True) for name in ("announced", "resolved", "acknowledged")),
    column("acknowledged_by", sa.Text, null=True),
    column("note", sa.Text, null=True),
    # Name and fingerprint while it is open, then NULL: one open alert per finding, without a partial index, which would
    # load both dialects of SQLAlchemy into every process.
    sa.Column("open_key", sa.Text, nullable=True, unique=True),
)

alert_deliveries = sa.Table(
    "alert_deliveries",
    METADATA,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("alert_id", BigId, sa.ForeignKey("alerts.id"), nullable=False, index=True),
    column("channel", sa.Text),  # webhook, command, log
    column("occasion", sa.Text),  # raised, repeated, resolved
    column("created", sa.Double),
    column("attempts", sa.Integer),
    sa.Column("next_try", sa.Double, nullable=True, index=True),  # NULL: delivered, or given up
    column("error", sa.Text, null=True),
)

jobs = sa.Table(
    "jobs",
    METADATA,
    column("host", sa.Text),
    column("name", sa.Text),
    column("trigger", sa.Text),  # as the configuration says it: another text means that next_due no longer holds
    column("next_due", sa.Double, null=True),
    column("last_due", sa.Double, null=True),
    column("last_run", sa.BigInteger, null=True),
    sa.PrimaryKeyConstraint("host", "name"),
)
