"""`python -m benchmarks.load [NAME ...]`: figure, peer, ratio and goal of each measure, all from this run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import quick
from benchmarks.load import measure, peers
from benchmarks.ports import free_port, wait_for

CONNECTIONS = 32
STREAMS, CLIENTS = quick.sized((500, 1000), (50, 100))
SOME_S, PACING_S, GROWTH_S, UNIQUE_S = quick.sized((4, 8, 40, 100), (1, 1, 4, 4))
EVENTS_PER_S = 5
PACED_USERS = 50
FOREVER_S = 600.0  # ended before
ROUNDS = quick.sized(3, 1)  # of the closed loop and of scripts: ours, FastHttpUser, wrk, ours ...
TURNS, TURN_S = quick.sized((5, 6.0), (1, 1.0))  # of the open loop: ours, theirs, ours ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the measures are made: nginx, plain and with TLS."""

    folder: Path
    plain: str
    tls: str
    certificate: Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `goal` says what the ratio (or, without a peer, the figure) may be."""

    measure: str
    figure: float
    unit: str
    peer: str = ""
    peer_figure: float | None = None
    goal: float | None = None

    @property
    def met(self) -> bool:
        """Is the goal reached?"""
        value = self.figure if self.peer_figure is None else self.figure / self.peer_figure
        return self.goal is None or value <= self.goal

    def line(self) -> str:
        """Measure, figure, peer, ratio, goal."""
        beside = "" if self.peer_figure is None else f"{self.peer} {self.peer_figure:.1f}"
        ratio = "" if self.peer_figure is None else f"{self.figure / self.peer_figure:.3f} x"
        goal = "" if self.goal is None else f"<= {self.goal:g}{' x' if ratio else ''} {'ok' if self.met else 'MISSED'}"
        return f"{self.measure:44} {self.figure:10.1f} {self.unit:10} {beside:26} {ratio:10} {goal}"


def _closed(url: str, place: Place, seconds: float) -> tuple[int, float]:
    summary, cpu = measure.ours(url, seconds, f"users={CONNECTIONS}", env={"SSL_CERT_FILE": str(place.certificate)})
    return summary["total"]["landed"], cpu


def _medians(*runs: Callable[[float], tuple[int, float]]) -> list[float]:
    """us of CPU per request of each. Medians of rounds: single readings waver by a third."""
    rounds = [[measure.per_request(run) for run in runs] for _ in range(ROUNDS)]
    return [median(found) for found in zip(*rounds, strict=True)]


def closed(place: Place) -> Iterator[Row]:
    """CPU per request, closed loop, 32 connections, three histograms per request."""
    figure, fast, wrk = _medians(
        partial(_closed, place.plain, place),
        lambda s: measure.locust(place.folder, place.plain, s, CONNECTIONS, None),
        lambda s: measure.wrk(place.plain, s, CONNECTIONS),
    )
    yield Row("CPU per request, closed loop, 32 connections", figure, "us", "FastHttpUser", fast, 0.10)
    yield Row("the same", figure, "us", "wrk", wrk, 1.5)


def tls(place: Place) -> Iterator[Row]:
    """The same over TLS."""
    figure, fast = _medians(
        partial(_closed, place.tls, place),
        lambda s: measure.locust(place.folder, place.tls, s, CONNECTIONS, None),
    )
    yield Row("the same over TLS", figure, "us", "FastHttpUser", fast, 0.25)


def paced(place: Place) -> Iterator[Row]:
    """Open loop: what a request costs when most of the time nothing is to be done. Medians of turns: what waking up
    costs here changes from one minute to the next, for both.
    """
    for rate, goal in ((500, 0.45), (2000, 0.40)):
        command = measure.locust_command(place.folder, place.plain, FOREVER_S, PACED_USERS, rate / PACED_USERS)
        own = measure.our_command(place.plain, FOREVER_S, f"high={rate}")
        turns = [
            [measure.steady(one, place.plain, rate, place.folder, TURN_S) for one in (own, command)]
            for _ in range(TURNS)
        ]
        figure, fast = (median(found) for found in zip(*turns, strict=True))
        yield Row(f"CPU per request, open loop, {rate}/s", figure, "us", "Locust", fast, goal)


SCENARIO = """
async def visit(client, context):
    for _ in range(10):
        await client.get("/")
"""


def scripted(place: Place) -> Iterator[Row]:
    """A scenario of ten requests through the httpx API, on our core and on stock httpx."""
    (place.folder / "visits.py").write_text(SCENARIO)
    settings = ("users=8", f"folder={place.folder}", "scenario.kind=python", "scenario.function=visits.py:visit")

    def visits(client: str, seconds: float) -> tuple[int, float]:
        summary, cpu = measure.ours(place.plain, seconds, *settings, f"scenario.client={client}")
        return summary["total"]["checks"].get("requests", 0), cpu

    figure, stock = _medians(partial(visits, "core"), partial(visits, "httpx"))
    yield Row("scripted scenario, per request", figure, "us", "stock httpx", stock, 0.2)


@contextmanager
def _server(module: str, argument: str) -> Iterator[str]:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", module, str(port), argument])
    try:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def streams(place: Place) -> Iterator[Row]:
    """SSE streams with a running number in each event."""
    with _server("benchmarks.load.streams", str(EVENTS_PER_S)) as url:
        common = ("scenario.kind=sse", "scenario.sequence=$.seq", "scenario.validate=('order',)")

        figure = measure.streaming(url, STREAMS, EVENTS_PER_S, *common)
        yield Row(f"{STREAMS} SSE streams, CPU per event", figure, "us", goal=10.0)
        few, _ = measure.ours(url, SOME_S, "scenario.streams=10", *common)
        many, _ = measure.ours(url, SOME_S, f"scenario.streams={STREAMS}", *common)
        size = (many["generator"]["rss_bytes"] - few["generator"]["rss_bytes"]) / (STREAMS - 10) / 1024
        yield Row(f"{STREAMS} SSE streams, memory per stream", size, "KiB", goal=6.0)


def resident(place: Place) -> Iterator[Row]:
    """Many connections at once."""
    summary, _ = measure.ours(place.plain, SOME_S + 1, f"users={CLIENTS}")
    yield Row(f"resident with {CLIENTS:,} connections", summary["generator"]["rss_bytes"] / 2**20, "MiB", goal=40.0)


def pacing(place: Place) -> Iterator[Row]:
    """How late requests leave. A core that others use is not quiet: with real-time priority, where that is allowed,
    it is as good as quiet; without, the figure says as much about the others as about us.
    """
    quiet = measure.real_time()
    for rate, goal in ((500, 350.0), (2000, 200.0)):
        for before in (quiet, []) if quiet else ([],):
            summary, _ = measure.ours(place.plain, PACING_S, f"high={rate}", before=before)
            name = f"pacing error p99 at {rate}/s{', real-time' if before else ''}"
            figure = _seen(summary, "lateness_ms", "p99") * 1e3
            yield Row(name, figure, "us", goal=goal if before or not quiet else None)


STALL_S, STALL_RATE = 1.0, 200


def stall(place: Place) -> Iterator[Row]:
    """A target that stops for 1 s at 200/s: the largest error of p90, p95 and p99 against the computed truth.

    Over 4 s, 800 requests are due. Those 200 of the stalled second wait for what is left of it: a share q of all, q >
    0.75, is answered within (q - 0.75) * 4 s; p99 is 0.96 s, p90 0.6 s, p80 0.2 s.
    """
    with _server("benchmarks.load.stalling", str(STALL_S)) as url:
        summary, _ = measure.ours(url, 4.1, f"high={STALL_RATE}", before=measure.real_time())
    found = {name: _seen(summary, "response_ms", name) for name in ("p90", "p95", "p99")}
    truth = {"p90": 600.0, "p95": 800.0, "p99": 960.0}
    worst = max(abs(found[name] - value) / value for name, value in truth.items())
    yield Row("a 1 s stall at 200/s: error of p90, p95, p99", worst * 100, "%", goal=1.0)


VISITS = """
async def visit(client, context):
    for number in range(10):
        await client.get(f"/{context.number}/{number}?unique={context.random.random()}")
"""


def growth(place: Place) -> Iterator[Row]:
    """Resident memory gained per million requests once all is warm, of one URL and of ever new ones."""
    summary, _ = measure.ours(place.plain, GROWTH_S, f"users={CONNECTIONS}")
    yield Row("growth per million requests", _slope(summary["resident"], 100_000), "KiB", goal=100.0)
    (place.folder / "unique.py").write_text(VISITS)
    scenario = ("scenario.kind=python", "scenario.function=unique.py:visit")
    summary, _ = measure.ours(place.plain, UNIQUE_S, "users=8", f"folder={place.folder}", *scenario)
    points = [(10 * visits, size) for visits, size in summary["resident"]]
    yield Row("growth per million requests, unique URLs", _slope(points, 100_000), "KiB", goal=100.0)


def _seen(summary: dict[str, Any], latency: str, name: str) -> float:
    """A percentile in ms; LeftOut when not one request was answered."""
    value: float | None = summary["total"][latency][name]
    if value is None:
        raise quick.LeftOut("not one request was answered")
    return value


def _slope(points: list[tuple[int, int]], warm: int) -> float:
    """KiB per million requests: least squares over (requests, bytes) after the first `warm`, or the first half."""
    late = [(count, size) for count, size in points if count > min(warm, points[-1][0] / 2)]
    if len({count for count, _ in late}) < 2:
        raise quick.LeftOut("there are too few readings to draw a line through")
    middle, mean = (sum(values) / len(late) for values in zip(*late, strict=True))
    spread = sum((count - middle) ** 2 for count, _ in late)
    return sum((count - middle) * (size - mean) for count, size in late) / spread / 1024 * 1e6


MEASURES: dict[str, Callable[[Place], Iterator[Row]]] = {
    "closed": closed,
    "tls": tls,
    "paced": paced,
    "scripted": scripted,
    "streams": streams,
    "resident": resident,
    "pacing": pacing,
    "stall": stall,
    "growth": growth,
}


def main(wanted: list[str]) -> int:
    """Print the table as it comes; 1 when a goal was missed."""
    with tempfile.TemporaryDirectory(prefix="soak-bench-") as name:
        folder, port, tls_port = Path(name), free_port(), free_port()
        with peers.nginx(folder, port, tls_port) as certificate:
            place = Place(folder, f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}", certificate)
            rows = []
            print(f"beside {peers.versions()}", flush=True)
            for measure_name in wanted or MEASURES:
                with quick.leaving_out(measure_name):
                    for row in MEASURES[measure_name](place):
                        rows.append(row)
                        print(row.line(), flush=True)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(quick.run(partial(main, sys.argv[1:])))
