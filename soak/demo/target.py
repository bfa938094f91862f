"""The bundled target: a small order service with leaks, faults and innocents that can be switched.

    python -m soak.demo.target --port 8001 --leak list,fd

Switches come from flags or from the environment: PORT, SOAK_DEMO_LEAK, SOAK_DEMO_INNOCENT, SOAK_DEMO_BYTES,
SOAK_DEMO_EVERY, SOAK_DEMO_STREAMS, SOAK_DEMO_LIMITED. Endpoints: /health, /work, /metrics, /flags, /events (SSE),
/ws and /echo (WebSocket), /sign-in, /account, /slow, /error, /limited, /upload.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence

from soak.demo import innocents
from soak.demo.leaks import LEAKS
from soak.demo.service import Service, Switches

DEFAULT_PORT = 8001


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
    numbers = {
        "bytes": (Switches().size, "leaked with each order"),
        "every": (Switches().every, "so many orders leak one descriptor, socket, task, thread, child or file"),
        "streams": (Switches().streams, "served at once; 0 is no limit"),
        "limited": (Switches().limited, "requests to /limited served at once"),
    }
    for name, (default, meaning) in numbers.items():
        value = int(environ.get(f"SOAK_DEMO_{name.upper()}", default))
        parser.add_argument(f"--{name}", type=int, default=value, help=meaning)
    found = parser.parse_args(args)
    leaks, harmless = _names(found.leak), _names(found.innocent)
    unknown = [name for name in leaks if name not in LEAKS]
    unknown += [name for name in harmless if name not in innocents.INNOCENTS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    switches = Switches(leaks, harmless, found.bytes, max(1, found.every), found.streams, found.limited)
    return switches, found.host, found.port


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def main(args: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    import uvicorn

    switches, host, port = parse(args, os.environ)
    uvicorn.run(Service(switches).application(), host=host, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
