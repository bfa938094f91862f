"""What a load run is made of: target, scenarios, shape; plain values that travel to the worker processes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from soak.errors import SoakError
from soak.load import profiles, support
from soak.load.shapes import Constant, Shape, Silence
from soak.load.wire import Endpoint, encode

if TYPE_CHECKING:
    from soak.config import Config
    from soak.config.scenario import LoadConfig, Scenario


WORKER_RATE = 5000.0  # requests/s: a tenth to a half of a core, so that pacing still has room
EXTERNAL_KINDS = ("locust", "command")


@dataclass(frozen=True, slots=True)
class ScenarioPlan:
    """One kind of request. Names and meanings are those of [[scenario]]; `body` is what is sent, `max_s` seconds."""

    name: str = "work"
    kind: str = "http"
    method: str = "GET"
    path: str = "/"
    weight: float | None = None
    rate: float | None = None
    users: int | None = None
    count: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    tags: Mapping[str, str] = field(default_factory=dict)
    status: tuple[int, ...] = ()  # empty: everything below 400
    max_s: float | None = None
    faults: Mapping[str, float] = field(default_factory=dict)
    duration: float | None = None
    messages: int | None = None
    sequence: str | None = None
    validate: tuple[str, ...] = ()
    streams: int | None = None
    expect_refused: int = 0
    subprotocols: tuple[str, ...] = ()
    send: tuple[str, ...] = ()
    until: str | None = None
    hold: float | None = None
    function: str | None = None
    command: tuple[str, ...] = ()  # of kind "command"; of "locust": how Locust is started
    file: str | None = None  # the locustfile
    proto: str | None = None  # descriptor set of kind "grpc"; None: the server's reflection is asked
    client: str = "core"  # of python scenarios: our own core, or stock "httpx"

    @property
    def share(self) -> float:
        """Weight among the scenarios that share the arrivals: 0 for one with a rate, users or count of its own.

        Commands and locustfiles make their own arrivals.
        """
        if self.kind in EXTERNAL_KINDS:
            return 0.0
        if self.rate is not None or self.users is not None or self.count is not None or self.streams is not None:
            return 0.0
        return 1.0 if self.weight is None else self.weight

    def accepts(self, status: int) -> bool:
        """Is a response with this status a good one?"""
        return status in self.status if self.status else status < 400

    @classmethod
    def from_config(cls, scenario: Scenario) -> ScenarioPlan:
        """The plan of one [[scenario]]."""
        headers = dict(scenario.headers)
        body = b""
        if scenario.json is not None:
            body = json.dumps(scenario.json, separators=(",", ":")).encode()
            if not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = "application/json"
        elif scenario.data is not None:
            body = scenario.data.encode()
        expect = scenario.expect
        same = ("name", "kind", "method", "weight", "rate", "users", "count", "tags", "faults", "duration", "messages")
        own = ("function", "client", "file", "proto", "command")
        stream = ("sequence", "validate", "streams", "expect_refused", "subprotocols", "send", "until", "hold")
        values: dict[str, Any] = {name: getattr(scenario, name) for name in (*same, *stream, *own)}
        values.update(path=scenario.path or "/", headers=headers, body=body, status=tuple(expect.status))
        values.update(tags=dict(scenario.tags), faults=dict(scenario.faults))
        return cls(**values, max_s=None if expect.max_ms is None else expect.max_ms / 1e3)


def workers_for(rate: float) -> int:
    """How many processes a rate needs: one for each `WORKER_RATE`, but no more than there are cores."""
    return max(1, min(math.ceil(rate / WORKER_RATE), os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A whole load run. Durations in seconds, rates per second; `folder` is where scenario files are looked for."""

    url: str
    scenarios: tuple[ScenarioPlan, ...] = (ScenarioPlan(),)
    profile: str = "sawtooth"
    cycle: float = 3600.0
    cycles: int = 8
    quiet: float = 540.0
    low: float = 1.0
    high: float = 50.0
    users: int | None = None
    arrivals: str = "regular"
    timeout: float = 10.0
    max_in_flight: int = 1000
    connections: str = "close-in-quiet"
    http2: str = "off"  # "auto": the server chooses by ALPN; "on": nothing else, over http:// without asking
    workers: int = 1
    seed: int = 0
    folder: str = "."
    levels: tuple[float, ...] = ()  # of the profile "steps"; empty: five equal ones from low to high

    @classmethod
    def from_config(cls, config: Config) -> LoadPlan:
        """The plan of a configuration; what this version cannot do yet is refused (SoakError load_unsupported)."""
        load: LoadConfig = config.load
        scenarios = tuple(ScenarioPlan.from_config(scenario) for scenario in config.scenarios)
        same = ("profile", "cycle", "cycles", "quiet", "low", "high", "users", "arrivals", "timeout", "max_in_flight")
        values: dict[str, Any] = {name: getattr(load, name) for name in (*same, "connections", "http2")}
        return cls(
            url=config.target.url or "",
            scenarios=scenarios or (ScenarioPlan(),),
            folder=str(config.base),
            workers=workers_for(load.high if load.users is None else 0.0),
            levels=tuple(load.levels),
            **values,
        )

    @property
    def length(self) -> float:
        """Seconds from the start to the end of the last cycle."""
        return self.cycle * self.cycles

    @property
    def closed(self) -> bool:
        """Users instead of arrival rates."""
        return profiles.is_closed(self.profile, self.users)

    @property
    def open(self) -> bool:
        """No request waits for the answer to another one: there are no users."""
        return not self.closed and all(scenario.users is None for scenario in self.scenarios)

    @property
    def plain(self) -> bool:
        """Nothing but well-behaved requests over HTTP."""
        return all(one.kind == "http" and not any(one.faults.values()) for one in self.scenarios)

    def check(self) -> None:
        """SoakError when the plan asks for what this version cannot do, or for what cannot be."""
        support.refuse(self)
        try:
            self.shape()
        except ValueError as error:
            raise SoakError("load_shape", why=error) from error
        endpoint = Endpoint.parse(self.url)
        for scenario in self.scenarios:
            encode(endpoint, scenario.method, scenario.path, scenario.headers, scenario.body)
            if scenario.kind == "python":
                support.check_function(scenario.function or "", self.folder)

    def shape(self) -> Shape:
        """The rate of all scenarios that share the arrivals, or the number of users in a closed model."""
        return profiles.shape_of(self)

    def own_shape(self, scenario: ScenarioPlan) -> Shape:
        """The rate, users or count of a scenario that has its own: the same all through each loaded part."""
        if self.profile == "none":
            return Silence(self.cycle)
        if scenario.users is not None:
            return Constant(self.cycle, self.quiet, scenario.users, "users")
        if scenario.count is not None:
            return Constant(self.cycle, self.quiet, scenario.count / (self.cycle - self.quiet))
        return Constant(self.cycle, self.quiet, scenario.rate or 0.0)
