"""`python -m benchmarks.pause [--python PATH] [OBJECTS]`: the longest pause of a reading at 500,000 gc objects.

Without tracemalloc, in targets of one interpreter after the other: what a collection takes depends on how it was built.
The pause is the longest stretch of a reading in which no other thread of the target can run, told by the agent; beside
it stands what a thread of the target saw, which wakes up a thousand times a second. The peer is one `gc.collect()` of
the same heap by the target itself: what every full collection of its own costs it, in turns with the readings. The
goals are held against the CPU time of the stretch, the least of the readings: what a busy machine adds, in which others
have the processor meanwhile, is shown as time of the clock. On a quiet machine they are the same.

A heap that grew since the last reading has to be collected, to tell a leak from garbage. Where the target's own
collection takes longer than the goal, that pause is held against it; `agent.longest_pause` leaves it out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
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
GROWTH = 0.01  # of the orders, before each reading of the heap that grows; they go again after it
BESIDE_OWN = 1.25  # the pause of a heap that grew over the target's own collection, at most
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
    if line == "collect\\n":
        gc.collect()
    elif line != "\\n":
        grow(int(line))
    worked = time.thread_time() - worked
    time.sleep(0.005)  # the watcher has been through since
    print(worked * 1e3, seen * 1e3, flush=True)
    seen = 0.0
"""


Measured = tuple[dict[str, float], float, float]  # stretches in ms of CPU; ms of the clock: the longest, seen outside


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

    def seen(self, word: str = "") -> tuple[float, float]:
        """Have it do what `word` says: ms of CPU that took, and ms of the longest pause it saw since the last call.

        `collect` is a collection of its own, a number so many orders more, or less.
        """
        self.asks.write(f"{word}\n")
        self.asks.flush()
        worked, seen = map(float, self.tells.readline().split())
        return worked, seen

    def reading(self, longest: float | None = None, orders: int = 0) -> Measured:
        """One reading, after so many orders more."""
        self.seen(str(orders))
        answer = self.client.request(self.process.pid, "read", longest_pause=longest)
        return answer["pauses_cpu_ms"], answer["pause_ms"], self.seen()[1]

    def grown(self, longest: float | None = None) -> tuple[float, Measured]:
        """CPU ms of its own collection, and a reading, of a heap that is larger than at the reading before."""
        self.reading(longest, -self.more)
        self.seen(str(self.more))
        return self.seen("collect")[0], self.reading(longest)

    def walk(self) -> Measured:
        """The same of the walk for who holds what."""
        self.seen()
        answer = self.client.holders(self.process.pid, ["__main__.Order"])
        return {"holders": answer["pause_cpu_ms"]}, answer["pause_ms"], self.seen()[1]

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.process.kill()
        self.process.communicate()


def row(name: str, found: list[Measured], peer: float, goal: float) -> float:
    """Print the stretches beside their goal in ms; the longest in ms."""
    parts = {part: min(pauses.get(part, 0.0) for pauses, _, _ in found) for part in found[-1][0]}
    longest = max(parts.values())
    clock, seen = (median(one[place] for one in found) for place in (1, 2))
    print(f"\n{name}: " + ", ".join(f"{part} {value:.1f} ms" for part, value in parts.items()))
    print(
        f"  longest {longest:.1f} ms, {longest / peer:.2f} of its own gc.collect(); goal {goal:.0f} ms: "
        f"{'MISSED' if longest > goal else 'ok'} (by the clock {clock:.1f} ms, seen by the target {seen:.1f}, medians)"
    )
    return longest


def measured(python: str, orders: int, folder: Path) -> bool:
    """Print the pauses by part beside the goals; whether one was missed."""
    target = Target(folder, python, orders)
    try:
        own, readings = [], []
        for _ in range(READINGS):
            own.append(target.seen("collect"))
            readings.append(target.reading())
        walks = [target.walk() for _ in range(WALKS)]
        limited = [target.grown(LIMITED_MS)[1] for _ in range(READINGS)]
        grown = [target.grown() for _ in range(READINGS)]
    finally:
        target.close()
    peer, later = min(own)[0], min(grown)[0]
    print(f"\n{python}: {target.objects:,} gc objects, CPU time, least of {READINGS} readings each")
    clock = median(seen for _, seen in own)
    print(f"gc.collect() by the target itself: {peer:.1f} ms (by the clock {clock:.1f} ms, median)")
    missed = row("a reading", readings, peer, GOAL_MS) > GOAL_MS
    missed |= row("retention paths, at the end of a run", walks, peer, GOAL_MS) > GOAL_MS
    limit = f"{GROWTH:.0%} more, agent.longest_pause = {LIMITED_MS:g} ms"
    missed |= row(limit, limited, peer, LIMITED_MS) > LIMITED_MS
    whole = row(f"{GROWTH:.0%} more, no limit", [reading for _, reading in grown], later, GOAL_MS)
    return missed or whole > max(GOAL_MS, BESIDE_OWN * later)


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
