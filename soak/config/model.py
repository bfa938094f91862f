"""The tables of soak.toml around the load: target, agent, sampling, store, schedule and the rest."""

# ruff: noqa: RUF009 -- key() makes a dataclass field, which is what that rule asks for

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soak.config.composites import ListOf, TableOf
from soak.config.kinds import (
    Choice,
    Day,
    Duration,
    Flag,
    Number,
    Pattern,
    Percent,
    Setting,
    Text,
    Url,
)
from soak.config.table import key

COMMAND = ListOf(Text(), 'a list of strings such as ["python", "app.py"]')
PORT = Number(1, 65535, whole=True)
ATTACH = ("command", "pid", "pid_file", "port", "process", "unit", "container")


@dataclass(frozen=True, slots=True)
class Target:
    """The service that is soaked: how it is started or found."""

    name: str = key(Text(), "name of the target in reports", default="target")
    command: tuple[str, ...] = key(COMMAND, "started and supervised by soak", default=())
    pid: int | None = key(Number(1, whole=True), "attach to this process")
    pid_file: Path | None = key(Text(), "attach to the process whose number stands in this file")
    port: int | None = key(PORT, "attach to the process that listens on this port")
    process: str | None = key(Pattern(), "attach to the process whose command line matches this pattern")
    unit: str | None = key(Text(), "attach to this systemd unit")
    container: str | None = key(
        Text(), "attach to this container: its name, its id from 12 digits on, or a Kubernetes pod's UID"
    )
    cwd: Path = key(Text(), "working folder of the command, relative to this file", default=".")
    env: Mapping[str, str] = key(TableOf(Setting(), "a table of strings"), "added to its environment", default={})
    url: str | None = key(Url(), "base of load and checks")
    ready: str | None = key(
        Text('a path such as "/health"', r"/\S*"),
        "path that answers below 500 when the target is up",
        default_text="its port accepts",
    )
    children: bool = key(Flag(), "follow the process tree (pre-fork workers)", default=True)
    startup_timeout: float = key(Duration(0.1), "how long it may take to be ready", default=30.0)
    stop_timeout: float = key(Duration(), "how long it may take to stop before it is killed", default=10.0)
    restart: str = key(Choice(("never", "on-failure")), "what is done when it ends by itself", default="never")
    version_command: tuple[str, ...] = key(
        COMMAND, "prints the version of the target", default=("git", "rev-parse", "HEAD")
    )


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What runs inside a Python target."""

    enabled: str = key(Choice(("auto", "on", "off")), "auto: where the target is Python", default="auto")
    heap: str = key(Choice(("auto", "sampler", "tracemalloc", "off")), "how allocation sites are found", default="auto")
    frames: int = key(Number(1, 100, whole=True), "of tracemalloc: its cost grows steeply with them", default=1)
    collect: bool = key(Flag(), "one garbage collection (Python, Node) before the reading in each trough", default=True)
    longest_pause: float | None = key(
        Duration(0.001, scale=1000.0),
        "what would hold the target's threads longer in one go is left out: garbage collection, types, holders",
        default_text="no limit",
    )
    native: bool = key(Flag(), "sample malloc and mmap too (targets that soak starts)", default=False)
    trim: bool = key(
        Flag(), "malloc_trim() in each trough: what rss falls by was held by the allocator, not leaked", default=False
    )
    handles: bool = key(
        Flag(),
        "birth places of descriptors, sockets, children, threads, tasks, temporary files",
        default=True,
    )
    holders: bool = key(Flag(), "retention paths of what grows", default=True)
    confirm: bool = key(
        Flag(),
        "suspect places are looked at again under tracemalloc, for a quarter of a cycle after the last one",
        default=True,
    )


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """How often the target is looked at."""

    interval: float = key(
        Duration(0.05),
        "between two samples of the /proc series",
        default=0.0,
        default_text="cycle/120, between 250 ms and 5 s",
    )
    snapshot: str = key(Choice(("trough",)), "in-process readings: once per cycle, in the trough", default="trough")


@dataclass(frozen=True, slots=True)
class Check:
    """Dependencies and health, before the load and during it."""

    name: str = key(Text(), "name in reports", required=True)
    kind: str = key(Choice(("dns", "tcp", "http", "redis", "sql")), "what is asked", required=True)
    host: str | None = key(Text(), "dns, tcp: the host")
    port: int | None = key(PORT, "tcp: the port")
    url: str | None = key(Text("a URL", r"\w[\w+.-]*://\S+"), "http, redis, sql: where")
    query: str | None = key(Text(), "sql: what is asked")
    status: tuple[int, ...] = key(
        ListOf(Number(100, 599, whole=True), "a status such as 200, or a list of them", one=True),
        "http: the expected status",
        default=(200,),
    )
    max_ms: float | None = key(Number(0, above_low=True), "http: slower than this is a failure")
    interval: float = key(Duration(0.1), "between two checks", default=30.0)
    timeout: float = key(Duration(0.01), "of one check", default=5.0)
    failures: int = key(Number(1, whole=True), "so many in a row make it unhealthy", default=2)
    on_unhealthy: str = key(
        Choice(("none", "restart", "webhook", "command")), "what is done when it is unhealthy", default="none"
    )
    command: tuple[str, ...] = key(COMMAND, 'with on_unhealthy = "command": what is run', default=())


@dataclass(frozen=True, slots=True)
class Fault:
    """Done to the target or a dependency in every cycle."""

    at: float = key(Percent(), "of the cycle", required=True)
    kind: str = key(Choice(("kill", "stop", "restart", "command")), "what is done", required=True)
    lasting: float | None = key(Duration(), "stop: how long until it continues", name="for")
    process: str = key(Pattern(), '"target", or a pattern on the command line', default="target")
    command: tuple[str, ...] = key(COMMAND, 'with kind = "command": what is run', default=())


@dataclass(frozen=True, slots=True)
class Probe:
    """A series of the user's own."""

    name: str = key(Text('a name such as "breaker"', r"[A-Za-z][\w.-]*"), "name of the series", required=True)
    kind: str = key(Choice(("state", "number")), "what it is", required=True)
    url: str | None = key(Url(("http", "https", "redis", "rediss")), "where it is polled", required=True)
    field: str | None = key(Text('a JSON path such as "$.state"', r"\$\S*"), "http: where in the answer it stands")
    redis_key: str | None = key(Text(), "redis: the key", name="key")


@dataclass(frozen=True, slots=True)
class Accept:
    """A known finding that must not fail a run."""

    fingerprint: str | None = key(Text(), "of the finding")
    file: str | None = key(Text(), 'or a pattern of the guilty file, such as "vendor/*.py"')
    reason: str = key(Text(), "why it is accepted", required=True)
    until: datetime.date | None = key(Day(), "the last day on which it is accepted", required=True)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the daemon starts a soak."""

    cron: str | None = key(
        Text('five fields such as "0 22 * * *"', r"\S+( +\S+){4}"),
        "minute, hour, day, month, weekday; unlike crontab's, day and weekday must both fit",
    )
    every: float | None = key(Duration(1.0), "or at this interval")
    timezone: str | None = key(Text(), "of cron", default_text="that of the machine")


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where runs are kept."""

    url: str = key(
        Text(
            'a URL such as "sqlite:///soak.db" or "postgresql+psycopg://user@host/soak"',
            r"(sqlite:///|postgresql\+psycopg://)\S+",
        ),
        "the store; a relative SQLite path is relative to $STATE_DIRECTORY if set, else to this file",
        default="sqlite:///soak.db",
    )
    retain: float = key(Duration(60.0), "how long runs are kept", default=90 * 86400.0)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told."""

    webhook: str | None = key(Url(), "gets findings as JSON")
    secret: str | None = key(Text(), "signs what the webhook gets (HMAC); write it as ${NAME}")
    command: tuple[str, ...] = key(COMMAND, "is run with the finding in its environment", default=())
    repeat: float = key(Duration(60.0), "an alert that nobody acknowledged is told again after", default=86400.0)


@dataclass(frozen=True, slots=True)
class Web:
    """The web part of the daemon; off in `soak run`."""

    listen: str = key(
        Text('an address such as "127.0.0.1:8765"', r"(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}"),
        "dashboard, /metrics, /health, /api",
        default="127.0.0.1:8765",
    )
    token: str | None = key(
        Text(),
        "asked of everybody but at `/health` (`Authorization: Bearer`), needed where others can reach it",
    )
