"""`python -m benchmarks.pause [--python PATH] [OBJECTS]`: the longest pause of a reading at 500,000 gc objects.

Without tracemalloc, in targets of one interpreter after the other: what a collection takes depends on how it was built.
The pause is the longest stretch of a reading in which no other thread of the target can run, told by the agent; beside
it stands what a thread of the target saw, which wakes up a thousand times a second. The peer is one `gc.collect()` of
the same heap by the target itself: what every full collection of its own costs it, in turns with the readings. The
goals are held against CPU time, the longest stretch of each reading, median over the readings: what a busy machine
adds, in which others have the processor meanwhile, is shown as time of the clock. On a quiet machine they are the same.
Beside the median stand the least that each stretch took in any reading, and the shortest and the longest of the
readings.

In a heap that grew since the last reading the agent looks for garbage, in slices; where there is so much of it that it
would look like a leak it is made young and collected as such, without a pass over what is alive.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO

import soak_agent
from benchmarks import quick
from soak_probes.agent_client import AgentClient

OBJECTS = quick.sized(500_000, 20_000)
GOAL_MS = 50.0
LIMITED_MS = 20.0  # agent.longest_pause of the last row: the full collection is left out
READINGS, WALKS = quick.sized((15, 3), (2, 1))
PER_ORDER = 5  # gc objects of one of the guest's orders: the object, a dict, two lists, a tuple
GROWTH = 0.01  # of the orders, before each reading of the heap that grows; they go again after it, or are garbage
GUEST = """
import gc, sys, threading, time
class Order: pass
kept, seen = [], 0.0
def grow(orders):
    del kept[len(kept) + min(orders, 0):]
    for number in range(orders):
        order = Order()
        order.lines = [number]
        order.facts = {"a": [number]}
        kept.append((order,))
def lose(orders):
    grow(orders)
    for order, in kept[-orders:]:
        order.me = order
    gc.collect(1)
    grow(-orders)
grow(int(sys.argv[1]))
def watch():
    global seen
    last = time.perf_counter()
    while True:
        time.sleep(0.001)
        now = time.perf_counter()
        seen = max(seen, now - last)
        last = now
threading.Thread(target=watch, daemon=True).start()
print(len(gc.get_objects()), flush=True)
for line in sys.stdin:
    worked = time.thread_time()
    exec(line)
    worked = time.thread_time() - worked
    time.sleep(0.005)  # the watcher has been through since
    print(worked * 1e3, seen * 1e3, flush=True)
    seen = 0.0
"""


@dataclass(frozen=True)
class Measured:
    """One reading, or walk: times in ms, of the clock where nothing else is said."""

    cpu: dict[str, float]  # by stretch
    longest: float
    seen: float  # by the target
    worked: float  # CPU of the agent's thread, for all of it

    @property
    def longest_cpu(self) -> float:
        """The longest stretch."""
        return max(self.cpu.values(), default=0.0)


class Target:
    """A process with a heap of so many gc objects, the agent in it, and a thread that sees pauses."""

    def __init__(self, folder: Path, python: str, orders: int) -> None:
        env = {**os.environ, **soak_agent.environment(folder)}
        self.process = subprocess.Popen(
            [python, "-c", GUEST, str(orders)],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.client = AgentClient(folder)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.asks: IO[str] = self.process.stdin
        self.tells: IO[str] = self.process.stdout
        self.objects = int(self.tells.readline())
        self.more = round(GROWTH * orders)
        self.spent = 0.0

    def seen(self, statement: str = "") -> tuple[float, float]:
        """Have it do this: ms of CPU that took, and ms of the longest pause it saw since the last call."""
        self.asks.write(f"{statement}\n")
        self.asks.flush()
        worked, seen = map(float, self.tells.readline().split())
        return worked, seen

    def own(self) -> tuple[float, float]:
        """The same of a collection of its own."""
        return self.seen("gc.collect()")

    def reading(self, statement: str = "", longest: float | None = None) -> Measured:
        """One reading, after it has done this."""
        self.seen(statement)
        answer = self.client.request(self.process.pid, "read", longest_pause=longest)
        before, self.spent = self.spent, answer["cost"]["thread"]
        return Measured(answer["pauses_cpu_ms"], answer["pause_ms"], self.seen()[1], (self.spent - before) * 1e3)

    def grown(self, longest: float | None = None) -> Measured:
        """A reading of a heap that is larger than at the reading before; all of it is alive."""
        self.reading(f"grow({-self.more})", longest)
        return self.reading(f"grow({self.more})", longest)

    def littered(self) -> tuple[float, Measured]:
        """CPU ms of its own collection of so much garbage, and a reading of a heap with as much."""
        self.seen(f"lose({self.more})")
        return self.own()[0], self.reading(f"lose({self.more})")

    def walk(self) -> Measured:
        """The same of the walk for who holds what."""
        self.seen()
        answer = self.client.holders(self.process.pid, ["__main__.Order"])
        return Measured({"holders": answer["pause_cpu_ms"]}, answer["pause_ms"], self.seen()[1], 0.0)

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.kill()
        self.process.communicate()


def row(name: str, found: list[Measured], peer: float, goal: float) -> float:
    """Print the stretches, each the least of the readings that have it, and beside its goal the longest of a reading,
    median of all: that comes back, in ms.
    """
    names = dict.fromkeys(part for one in found for part in one.cpu)
    parts = {part: min(one.cpu[part] for one in found if part in one.cpu) for part in names}
    every = [one.longest_cpu for one in found]
    longest = median(every)
    print(f"\n{name}, least: " + ", ".join(f"{part} {value:.1f} ms" for part, value in parts.items()))
    full, some = (sum(part in one.cpu for one in found) for part in ("gc_collect", "gc_found"))
    print(
        f"  longest {longest:.1f} ms (median; {min(every):.1f} to {max(every):.1f}), {longest / peer:.2f} of its own "
        f"gc.collect(); goal {goal:.0f} ms: {'MISSED' if longest > goal else 'ok'} (by the clock "
        f"{median(one.longest for one in found):.1f} ms, seen by the target {median(one.seen for one in found):.1f}, "
        "medians)"
    )
    worked = median(one.worked for one in found)
    done = f"a full collection in {full} of {len(found)}, one of what was found in {some}"
    print(f"  {done}; CPU of the agent in all {worked:.0f} ms (median)")
    return longest


def measured(python: str, orders: int, folder: Path) -> bool:
    """Print the pauses by part beside the goals; whether one was missed."""
    target = Target(folder, python, orders)
    try:
        own, readings = [], []
        for _ in range(READINGS):
            own.append(target.own())
            readings.append(target.reading())
        walks = [target.walk() for _ in range(WALKS)]
        limited = [target.grown(LIMITED_MS) for _ in range(READINGS)]
        grown = [target.grown() for _ in range(READINGS)]
        littered = [target.littered() for _ in range(READINGS)]
    finally:
        target.close()
    peer, later = median(worked for worked, _ in own), median(worked for worked, _ in littered)
    print(f"\n{python}: {target.objects:,} gc objects, CPU time, {READINGS} readings each")
    clock, least = median(seen for _, seen in own), min(worked for worked, _ in own)
    print(
        f"gc.collect() by the target itself: {peer:.1f} ms, at least {least:.1f} (by the clock {clock:.1f} ms, medians)"
    )
    missed = row("a reading", readings, peer, GOAL_MS) > GOAL_MS
    missed |= row("retention paths, at the end of a run", walks, peer, GOAL_MS) > GOAL_MS
    limit = f"{GROWTH:.0%} more, agent.longest_pause = {LIMITED_MS:g} ms"
    missed |= row(limit, limited, peer, LIMITED_MS) > LIMITED_MS
    missed |= row(f"{GROWTH:.0%} more, alive", grown, peer, GOAL_MS) > GOAL_MS
    print(f"\ngc.collect() by the target itself of {GROWTH:.0%} more as garbage: {later:.1f} ms (median)")
    return missed | (row(f"{GROWTH:.0%} more, garbage", [one for _, one in littered], later, GOAL_MS) > GOAL_MS)


def main() -> int:
    """Measure in each interpreter; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="interpreters of the target (default: this one)")
    parser.add_argument("objects", nargs="?", type=int, default=OBJECTS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        missed = [
            measured(python, args.objects // PER_ORDER, Path(place) / f"agent{number}")
            for number, python in enumerate(args.python or [sys.executable])
        ]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(quick.run(main))
