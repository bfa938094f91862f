"""The application of the bundled target: orders, health, metrics, and the routes of its other parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from soak.demo import innocents
from soak.demo.faults import Faults
from soak.demo.flags import Flags
from soak.demo.leaks import LEAKS, OF_THINGS, held
from soak.demo.streams import Streams

_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Switches:
    """What is on: leaks and innocents by name; bytes leaked with each order; orders per leaked thing; limits."""

    leaks: tuple[str, ...] = ()
    innocents: tuple[str, ...] = innocents.INNOCENTS
    size: int = 16 * 1024
    every: int = 10
    streams: int = 0  # at once; 0 is no limit
    limited: int = 4  # requests to /limited at once


class Service:
    """One instance of the target."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.flags = Flags()
        self.streams = Streams(self.flags, limit=switches.streams)
        self.faults = Faults(self.flags, limit=switches.limited)
        self.orders = 0
        self.failed = 0

    def application(self) -> Starlette:
        """GET /health, /work, /metrics, and the routes of flags, streams and faults."""
        own = [Route("/health", self.health), Route("/work", self.work), Route("/metrics", self.metrics)]
        return Starlette(routes=[*own, *self.flags.routes(), *self.streams.routes(), *self.faults.routes()])

    async def health(self, request: Request) -> Response:
        """Always well."""
        return JSONResponse({"status": "ok"})

    async def work(self, request: Request) -> Response:
        """Serve one order, with the innocents and the leaks that are on."""
        order, self.orders = self.orders, self.orders + 1
        body = serve(order, self.switches)
        leak(order, self.switches)
        if int(self.orders * self.flags.errors) > int(order * self.flags.errors):
            self.failed += 1
            return JSONResponse({"error": "injected"}, status_code=500)
        return JSONResponse(body)

    async def metrics(self, request: Request) -> Response:
        """Prometheus text: orders, streams, what is held, and resident memory when the flag `memory` is on."""
        lines = [
            "# TYPE demo_orders_total counter",
            f"demo_orders_total {self.orders}",
            "# TYPE demo_orders_failed_total counter",
            f"demo_orders_failed_total {self.failed}",
            "# TYPE demo_streams gauge",
            f"demo_streams {self.streams.open}",
            "# TYPE demo_streams_refused_total counter",
            f"demo_streams_refused_total {self.streams.refused}",
            "# TYPE demo_held gauge",
            *(f'demo_held{{what="{name}"}} {count}' for name, count in held().items()),
        ]
        if self.flags.memory:
            lines += ["# TYPE process_resident_memory_bytes gauge", f"process_resident_memory_bytes {resident()}"]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def serve(order: int, switches: Switches) -> dict[str, int]:
    """The honest work of an order, with the innocents that are on."""
    body = {"order": order}
    if "lru" in switches.innocents:
        body["page"] = len(innocents.page(order))
    if "warmup" in switches.innocents:
        body["table"] = len(innocents.table(order))
    if "flush" in switches.innocents:
        body["waiting"] = innocents.record(order)
    return body


def leak(order: int, switches: Switches) -> None:
    """The mistakes that are on: memory with every order, things with every n-th."""
    for name in switches.leaks:
        if name not in OF_THINGS or order % switches.every == 0:
            LEAKS[name](order, switches.size)


def resident() -> int:
    """Bytes of resident memory of this process (proc(5), statm, second field)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
