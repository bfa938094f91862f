"""Runs inside a guest: a small leak beside a big live heap, read once a cycle.

`ranking.py SEED MEGABYTES CYCLES`: a live heap of that size from 40 sites, a tenth of it replaced in every cycle, and
one site that keeps 50 KB a cycle. After each cycle it prints the MB leaked by then and what the reading says of every
site: its bytes, their standard error and its births by cycle. Nothing of that is kept: it would be a leak of its own.
The last line has the dump's time, the number of samples and the sampler's own memory. Who ranks first is for the
project's own judgement to say (__main__.py).
"""

from __future__ import annotations

import json
import random
import sys

from guest import load

MB = 1 << 20
SITES, CHURN, LEAK = 40, 0.1, 50 * 1024


def make_sites() -> list[object]:
    """Forty functions, each on a line of its own."""
    space: dict[str, object] = {}
    source = "".join(f"def site{i}(size): return bytes(size)\n" for i in range(SITES))
    exec(compile(source, "service.py", "exec"), space)
    return [space[f"site{i}"] for i in range(SITES)]


def leak(kept: list[bytes], draw: random.Random) -> int:
    """One cycle's worth; the bytes kept."""
    sizes = []
    while sum(sizes) < LEAK:
        sizes.append(draw.randrange(100, 2000))
    kept.extend(bytes(size - 33) for size in sizes)
    return sum(sizes)


def read(sampler: object) -> dict[str, tuple[float, float, dict[int, float]]]:
    """Bytes, error and births of each function's sites."""
    found: dict[str, tuple[float, float, dict[int, float]]] = {}
    for site in sampler.read(0):
        name = next((frame[2] for frame in reversed(site["stack"]) if frame[2][:4] in ("site", "leak")), "other")
        size, error, births = found.get(name, (0.0, 0.0, {}))
        for cycle, born in site["births"].items():
            births[cycle] = births.get(cycle, 0.0) + born
        found[name] = size + site["bytes"], (error**2 + site["error"] ** 2) ** 0.5, births
    return found


def experiment(seed: int, live: int, cycles: int) -> dict[str, float]:
    """One run beside so many live bytes; the facts of the last line."""
    draw = random.Random(seed)
    sampler, sites = load(), make_sites()
    sampler.start(65536, seed=seed)
    heap = []
    while sum(map(len, heap[-1:])) + len(heap) * 2048 < live:
        heap.append(draw.choice(sites)(draw.randrange(100, 4000)))
    kept: list[bytes] = []
    leaked, pauses = 0, [0.0] * cycles
    for cycle in range(cycles):
        sampler.mark_cycle(cycle)
        for _ in range(int(len(heap) * CHURN)):
            heap[draw.randrange(len(heap))] = draw.choice(sites)(draw.randrange(100, 4000))
        leaked += leak(kept, draw)
        print(json.dumps({"leaked": leaked / MB, "sites": read(sampler)}))
        pauses[cycle] = sampler.dump_seconds
    return {
        "dump": sorted(pauses)[len(pauses) // 2],
        "live": sampler.stats()["live"],
        "own": sampler.own_bytes(),
    }


if __name__ == "__main__":
    number, megabytes, last = map(int, sys.argv[1:])
    print(json.dumps(experiment(number, megabytes * MB, last)))
