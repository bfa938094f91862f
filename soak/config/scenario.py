"""The tables [load] and [[scenario]]: how much is sent, and what."""

# ruff: noqa: RUF009 -- key() makes a dataclass field, which is what that rule asks for

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soak.config.composites import Json, ListOf, TableOf
from soak.config.kinds import Choice, Duration, Number, Setting, Text
from soak.config.table import Section, key

PROFILES = (
    "sawtooth",
    "constant",
    "ramp",
    "steps",
    "spike",
    "capacity",
    "baseline",
    "normal",
    "peak",
    "stress",
    "none",
)
KINDS = ("http", "sse", "websocket", "grpc", "python", "locust", "command")
FAULTS = ("abandon", "timeout", "reset", "slow_reader", "vanish", "half_request", "endless_headers")
NAMED_PROFILES = ("baseline", "normal", "peak", "stress")  # these count users
VALIDATIONS = ("order", "no-duplicates", "all-delivered")
STREAMS = ("sse", "websocket")
_STRINGS = 'a list of strings such as ["one"]'
_STATUS = ListOf(Number(100, 599, whole=True), "a status such as 200, or a list such as [200, 204]", one=True)


@dataclass(frozen=True, slots=True)
class LoadConfig:
    """How the load goes up and down, how often and how long."""

    profile: str = key(Choice(PROFILES), "shape of the load", default="sawtooth")
    cycle: float = key(Duration(1.0), "length of one cycle", default=3600.0)
    cycles: int = key(Number(1, 100_000, whole=True), "how many", default=8)
    low: float = key(
        Number(0), "requests/s over all scenarios where a cycle begins", default=1.0, default_text="1, at most `high`"
    )
    high: float = key(Number(0, 1_000_000, above_low=True), "requests/s where it is highest", default=50.0)
    levels: tuple[float, ...] = key(
        ListOf(Number(0, 1_000_000), "a list of rates such as [0, 10, 50, 100]"),
        'with profile = "steps": requests/s of each step',
        default=(),
        default_text="five equal steps from `low` to `high`",
    )
    quiet: float = key(
        Duration(0.1),
        "no load at the end of each cycle",
        default=0.0,
        default_text="15 % of the cycle, between 3 s and 10 m",
    )
    users: int | None = key(Number(1, 1_000_000, whole=True), "closed model instead of low/high")
    arrivals: str = key(Choice(("regular", "poisson")), "of the requests within the rate", default="regular")
    timeout: float = key(Duration(0.01), "of one request", default=10.0, default_text='"10s", at most the cycle')
    max_in_flight: int = key(Number(1, 1_000_000, whole=True), "more than this is a drop, counted", default=1000)
    connections: str = key(
        Choice(("close-in-quiet", "keep")),
        "our own keep-alive connections are in the target's counts",
        default="close-in-quiet",
    )
    http2: str = key(
        Choice(("off", "auto", "on")),
        "of kind http; auto: the server of an https target chooses (ALPN), on: nothing else, also over http",
        default="off",
    )
    stop: str = key(Choice(("cycles", "decided")), "decided: end as soon as the verdict is sure", default="cycles")


@dataclass(frozen=True, slots=True)
class Expect:
    """The table scenario.expect: what counts as success."""

    status: tuple[int, ...] = key(_STATUS, "expected status", default=(), default_text="below 400")
    max_ms: float | None = key(Number(0, above_low=True), "slower than this is an error")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of request, with its share of the load, its own figures, and its hostile clients."""

    name: str = key(Text(), "name in reports; once only", required=True)
    kind: str = key(Choice(KINDS), "what is spoken", default="http")
    method: str = key(Text('a method such as "GET"', r"[A-Z]{1,16}"), "HTTP method", default="GET")
    path: str | None = key(
        Text('a path such as "/orders"', r"/\S*"), "where, under target.url; grpc: /package.Service/Method"
    )
    weight: float | None = key(
        Number(0, above_low=True), "share of the arrivals", default_text="1 where no rate, users or count is written"
    )
    rate: float | None = key(Number(0, above_low=True), "or requests/s of its own")
    users: int | None = key(Number(1, 1_000_000, whole=True), "or users of its own")
    count: int | None = key(Number(1, whole=True), "or this many in every cycle")
    headers: Mapping[str, str] = key(TableOf(Text(), "a table of strings"), "sent with each request", default={})
    json: Any = key(Json(), "body, as JSON; grpc: the request message")
    data: str | None = key(Text(), "body, as it is")
    tags: Mapping[str, str] = key(TableOf(Setting(), "a table of strings"), "for reports", default={})
    expect: Expect = key(Section(Expect), "what counts as success", default=Expect())
    faults: Mapping[str, float] = key(
        TableOf(Number(0, 1), "a table of shares from 0 to 1 for " + ", ".join(FAULTS), FAULTS),
        "hostile clients: shares of its requests, at most 1 together; grpc: only abandon",
        default={},
    )
    duration: float | None = key(Duration(0.01), "sse, websocket, grpc: length of a stream")
    messages: int | None = key(Number(1, whole=True), "sse, websocket, grpc: or so many messages")
    sequence: str | None = key(
        Text('a JSON path such as "$.seq"', r"\$\S*"), "sse, websocket, grpc: where the running number is"
    )
    validate: tuple[str, ...] = key(
        ListOf(Choice(VALIDATIONS), "a list of " + ", ".join(VALIDATIONS)),
        "sse, websocket, grpc: what is proved of each stream",
        default=(),
    )
    streams: int | None = key(Number(1, 1_000_000, whole=True), "sse, websocket: so many at once")
    expect_refused: int = key(Number(0, whole=True), "sse, websocket: so many of them must be refused", default=0)
    subprotocols: tuple[str, ...] = key(ListOf(Text(), _STRINGS), "websocket: offered to the server", default=())
    send: tuple[str, ...] = key(ListOf(Text(), _STRINGS), "websocket: sent after connecting", default=())
    until: str | None = key(Text(), "websocket: abandon right after a message that contains it")
    hold: float | None = key(Duration(), "sse, websocket: abandon so long after connecting (and after `until`)")
    function: str | None = key(
        Text('a file and a function such as "scenarios.py:buy"', r"[^:]+\.py:[A-Za-z_]\w*"),
        "python: async def f(client: httpx.AsyncClient, context)",
    )
    proto: str | None = key(
        Text(),
        "grpc: a descriptor set (protoc --descriptor_set_out), relative to this file",
        default_text="the server's reflection is asked",
    )
    client: str = key(
        Choice(("core", "httpx")), "python: what carries the requests: our own core, or stock httpx", default="core"
    )
    file: str | None = key(Text(), "locust: the locustfile, relative to this file")
    command: tuple[str, ...] = key(
        ListOf(Text(), 'a list of strings such as ["k6", "run", "load.js"]'),
        "command: run once in the loaded part of each cycle, the load in SOAK_LOAD_ variables; "
        "locust: how Locust is started",
        default=(),
        default_text='none; locust: ["locust"]',
    )
