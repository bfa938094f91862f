"""The web part as a target: `python -m tests.web.guest STORE_URL PORT` serves a store in which a run goes on."""

from __future__ import annotations

import itertools
import signal
import sys
import threading

from soak.config import Web
from soak.standing import Standing
from soak.web.server import WebPart
from soak_storage import open_store
from soak_storage.records import LoadWindowRow, Record, RunStart, SampleRow

SERIES = ("rss", "uss", "fds", "sockets", "threads", "children", "cpu")
EVERY = 0.5  # seconds between two samples


def main(url: str, port: int) -> None:
    """Serve until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with open_store(url) as store:
        run = store.begin_run(RunStart("guest", "box", 1_800_000_000.0, "0", 60.0, 9.0, 100, {}))
        part = WebPart(Standing("guest"), Web(listen=f"127.0.0.1:{port}"), store, url)
        part.initialize()
        for number in itertools.count():
            if ended.wait(EVERY):
                break
            store.write(run, sampled(number * EVERY))
        part.shutdown()


def sampled(t: float) -> list[Record]:
    """What a run leaves at one moment."""
    rows: list[Record] = [SampleRow(t, name, "count", 10.0 + t % 7, gates=True) for name in SERIES]
    return [*rows, LoadWindowRow(t, t + EVERY, int(t // 60), "load", "list", 9, 9, 9, 0, 0)]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
