"""What is soaked: a target with a planted rate, or with something that looks like a leak and is none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ports import free_port
from benchmarks.quick import sized
from soak.demo import leaks

CYCLE, QUIET = sized((6.0, 1.5), (2.0, 1.0))  # seconds
CYCLES = sized(8, 3)
LOW, HIGH = 5, 60
LIMIT = 1024 * 1024  # bytes per cycle
REQUESTS = (LOW + HIGH) / 2 * (CYCLE - QUIET)  # of one cycle: the integral of the sawtooth
RATES = (0.0, 0.5, 1.0, 2.0, 5.0)  # times the limit
SHAPES = ("", "lru", "warmup", "flush", "lru,warmup,flush")

_CONFIGURATION = """\
[target]
name = "{name}"
command = {command}
env = {{ SOAK_DEMO_LEAK = "{leak}", SOAK_DEMO_BYTES = "{size}", SOAK_DEMO_INNOCENT = "{innocent}" }}
url = "http://127.0.0.1:{port}"
ready = "/health"

[load]
cycle = "{cycle}s"
cycles = {cycles}
quiet = "{quiet}s"
low = {low}
high = {high}

[limits]
growth = "1MB/cycle"
peak = "4GB"

[[scenario]]
name = "work"
path = "/work"
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One run: `rate` times the limit is leaked, `innocent` switches are on."""

    rate: float
    innocent: str
    number: int

    @property
    def name(self) -> str:
        """Short and unique."""
        return f"{self.rate:g}x-{self.innocent.replace(',', '+') or 'plain'}-{self.number}"

    @property
    def size(self) -> int:
        """Bytes asked of the target per request."""
        return int(self.rate * LIMIT / REQUESTS)

    def bytes_per_request(self) -> float:
        """What one request really keeps: the string that `remember` makes, and its place in the list."""
        if self.rate == 0.0:
            return 0.0
        kept: list[str] = leaks._receipts  # read here, in this process, what the target keeps in its own
        before = len(kept)
        leaks.remember(before, self.size)
        return sys.getsizeof(kept[before]) + 8.0

    def write(self, folder: Path) -> None:
        """Its soak.toml."""
        port = free_port()
        text = _CONFIGURATION.format(
            name=self.name,
            command=json.dumps([sys.executable, "-m", "soak.demo.target", "--port", str(port)]),
            leak="list" if self.rate else "",
            size=max(1, self.size),
            innocent=self.innocent,
            port=port,
            cycle=CYCLE,
            cycles=CYCLES,
            quiet=QUIET,
            low=LOW,
            high=HIGH,
        )
        (folder / "soak.toml").write_text(text)


def cases(runs: int, benign: int) -> Iterator[Case]:
    """`runs` of each planted rate, and `benign` over the shapes, one kind after the other so that time is shared."""
    for number in range(runs):
        for rate in RATES:
            yield Case(rate, "", number)
    for number in range(benign):
        yield Case(0.0, SHAPES[number % len(SHAPES)], runs + number)
