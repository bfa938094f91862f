"""Runs inside a guest: how much a small leak has to lose beside a big live heap until its site ranks first.

`ranking.py SEED`: 200 MB of live heap from 40 sites, a tenth of it replaced in every cycle, and one site that keeps
50 KB a cycle. After each cycle the sites are ranked by the slope of their bytes minus three standard errors (least
squares; the error of the slope from the sampling error of each reading). Prints the MB leaked when the leak's site had
ranked first in three readings running, the dump's time, the number of samples and the sampler's own memory.
"""

from __future__ import annotations

import json
import random
import sys

from guest import load

MB = 1 << 20
SITES, HEAP, CHURN, LEAK, LAST = 40, 200 * MB, 0.1, 50 * 1024, 60


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


def slope(series: list[tuple[float, float]]) -> tuple[float, float]:
    """Least squares over equally spaced readings (bytes, error): growth per cycle and its standard error."""
    n = len(series)
    mean = (n - 1) / 2
    spread = sum((i - mean) ** 2 for i in range(n))
    growth = sum((i - mean) * size for i, (size, _) in enumerate(series)) / spread
    noise = sum(((i - mean) / spread) ** 2 * error**2 for i, (_, error) in enumerate(series))
    return growth, noise**0.5


def first_by_slope(history: dict[str, list[tuple[float, float]]]) -> str:
    """The site whose growth is surest."""
    scored = {}
    for name, series in history.items():
        growth, error = slope(series)
        scored[name] = growth - 3 * error
    return max(scored, key=scored.get)


def read(sampler: object) -> dict[str, tuple[float, float]]:
    """Bytes and error of each function's sites."""
    found: dict[str, tuple[float, float]] = {}
    for site in sampler.read(0):
        name = next((frame[2] for frame in reversed(site["stack"]) if frame[2][:4] in ("site", "leak")), "other")
        size, error = found.get(name, (0.0, 0.0))
        found[name] = size + site["bytes"], (error**2 + site["error"] ** 2) ** 0.5
    return found


def experiment(seed: int) -> dict[str, float]:
    """One run; `leaked` is MB, or infinity when the leak never ranked first."""
    draw = random.Random(seed)
    sampler, sites = load(), make_sites()
    sampler.start(65536, seed=seed)
    heap = []
    while sum(map(len, heap[-1:])) + len(heap) * 2048 < HEAP:
        heap.append(draw.choice(sites)(draw.randrange(100, 4000)))
    kept: list[bytes] = []
    history: dict[str, list[tuple[float, float]]] = {}
    leaked, streak, pauses = 0, 0, []
    for cycle in range(LAST):
        sampler.mark_cycle(cycle)
        for _ in range(int(len(heap) * CHURN)):
            heap[draw.randrange(len(heap))] = draw.choice(sites)(draw.randrange(100, 4000))
        leaked += leak(kept, draw)
        found = read(sampler)
        pauses.append(sampler.dump_seconds)
        for name in found.keys() | history.keys():
            history.setdefault(name, [(0.0, 0.0)] * cycle).append(found.get(name, (0.0, 0.0)))
        streak = streak + 1 if cycle >= 2 and first_by_slope(history).startswith("leak") else 0
        if streak == 3:
            break
    return {
        "leaked": leaked / MB if streak == 3 else float("inf"),
        "dump": sorted(pauses)[len(pauses) // 2],
        "live": sampler.stats()["live"],
        "own": sampler.own_bytes(),
    }


if __name__ == "__main__":
    print(json.dumps(experiment(int(sys.argv[1]))))
