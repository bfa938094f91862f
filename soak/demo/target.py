"""The bundled target: a small order service with leaks, faults and innocents that can be switched.

    python -m soak.demo.target --port 8001 --leak list,fd

Switches come from flags or from the environment (SOAK_DEMO_LEAK, SOAK_DEMO_INNOCENT, SOAK_DEMO_BYTES,
SOAK_DEMO_EVERY, PORT).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from soak.demo import innocents
from soak.demo.leaks import LEAKS, OF_THINGS

DEFAULT_PORT = 8001


@dataclass(frozen=True, slots=True)
class Switches:
    """What is on: names of leaks and innocents, bytes leaked with each order, orders per leaked thing."""

    leaks: tuple[str, ...] = ()
    innocents: tuple[str, ...] = innocents.INNOCENTS
    size: int = 16 * 1024
    every: int = 10


def application(switches: Switches) -> Starlette:
    """The service: GET /health, GET /work."""
    orders = count()

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def work(request: Request) -> Response:
        order = next(orders)
        body = serve(order, switches)
        leak(order, switches)
        return JSONResponse(body)

    return Starlette(routes=[Route("/health", health), Route("/work", work)])


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


def parse(args: Sequence[str] | None, environ: Mapping[str, str]) -> tuple[Switches, str, int]:
    """Switches, host and port from flags, else from the environment."""
    parser = argparse.ArgumentParser(prog="python -m soak.demo.target", description="The bundled target of soak.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(environ.get("PORT", DEFAULT_PORT)))
    parser.add_argument("--leak", default=environ.get("SOAK_DEMO_LEAK", ""), help=f"some of {','.join(LEAKS)}")
    parser.add_argument(
        "--innocent",
        default=environ.get("SOAK_DEMO_INNOCENT", ",".join(innocents.INNOCENTS)),
        help=f"some of {','.join(innocents.INNOCENTS)}",
    )
    parser.add_argument("--bytes", type=int, default=int(environ.get("SOAK_DEMO_BYTES", Switches().size)))
    parser.add_argument("--every", type=int, default=int(environ.get("SOAK_DEMO_EVERY", Switches().every)))
    found = parser.parse_args(args)
    leaks, harmless = _names(found.leak), _names(found.innocent)
    unknown = [name for name in leaks if name not in LEAKS]
    unknown += [name for name in harmless if name not in innocents.INNOCENTS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    return Switches(leaks, harmless, found.bytes, max(1, found.every)), found.host, found.port


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main(args: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    import uvicorn

    switches, host, port = parse(args, os.environ)
    uvicorn.run(application(switches), host=host, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
