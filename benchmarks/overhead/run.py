"""What observers cost a target: CPU (user + system of the target alone) and memory, as ratios paired in one run.

usage: run.py [--blocks N] [--kinds pure,wsgi,aio] [--observers a,b,...]

For every kind of work one process without and one with the observer run at the same time and take turns, block by
block, in changing order (A B B A); the ratio is the median over the blocks, the range its middle half. `nothing`
against `nothing` is the null control: what differs from 1 there is noise. What is not installed is left out by name.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import soak_agent

HERE = Path(__file__).parent
BLOCK_SECONDS = 0.2
OBSERVERS = (
    "nothing", "agent-idle", "agent-handles", "agent-sampler", "agent-tracemalloc", "tracemalloc-1", "tracemalloc-5",
    "memray", "ddtrace",
)  # fmt: skip
AGENT = {  # observer: heap, handles
    "agent-idle": ("off", False),
    "agent-handles": ("off", True),
    "agent-sampler": ("sampler", True),
    "agent-tracemalloc": ("tracemalloc", True),
}


class Target:
    """One worker process."""

    def __init__(self, kind: str, observer: str, folder: Path) -> None:
        command = [sys.executable, str(HERE / "worker.py"), kind, observer]
        environment = dict(os.environ)
        if observer in AGENT:
            heap, handles = AGENT[observer]
            environment.update(soak_agent.environment(folder / observer, heap=heap, handles=handles))
        elif observer == "memray":
            options = ["--trace-python-allocators", "-q", "-f", "-o", str(folder / "memray.bin")]
            command[1:1] = ["-m", "memray", "run", *options]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE
        )

    def block(self, count: int) -> tuple[float, int]:
        """CPU seconds of `count` units, and the resident bytes after them."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(count, file=self.process.stdin, flush=True)
        cpu, rss, _ = self.process.stdout.readline().split()
        return float(cpu), int(rss)

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait()


def compare(kind: str, observer: str, blocks: int) -> tuple[list[float], float]:
    """CPU ratios of the blocks in order of size, and the difference in resident bytes at the end."""
    with tempfile.TemporaryDirectory() as name:
        plain, watched = Target(kind, "nothing", Path(name)), Target(kind, observer, Path(name))
        try:
            count = 1
            while plain.block(count)[0] < BLOCK_SECONDS:
                count *= 2
            watched.block(count)
            ratios, more = [], 0
            for number in range(blocks):
                first, second = (plain, watched) if number % 2 else (watched, plain)
                results = {first: first.block(count), second: second.block(count)}
                ratios.append(results[watched][0] / results[plain][0])
                more = results[watched][1] - results[plain][1]
            return sorted(ratios), more
        finally:
            plain.close()
            watched.close()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--kinds", default="pure,wsgi,aio")
    parser.add_argument("--observers", default=",".join(OBSERVERS))
    arguments = parser.parse_args()
    print(f"{'observer':18} {'work':5} {'cpu ratio':>9}  {'middle half':17} {'rss +MB':>8}")
    for observer in arguments.observers.split(","):
        if observer in ("memray", "ddtrace") and find_spec(observer) is None:
            print(f"{observer:18} not installed")
            continue
        for kind in arguments.kinds.split(","):
            ratios, more = compare(kind, observer, arguments.blocks)
            low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
            middle = f"{low:.3f} to {high:.3f}"
            print(
                f"{observer:18} {kind:5} {statistics.median(ratios):9.3f}  {middle:17} {more / 2**20:8.1f}", flush=True
            )


if __name__ == "__main__":
    main()
