"""What judging costs: 200 series of 24 hours at a sample a second, in a process of its own.

`python -m benchmarks.verdicts.cost` prints `cpu seconds, peak bytes`; the series are made one at a time, so the peak is
that of the analysis and of one series.
"""

from __future__ import annotations

import resource
import time

import numpy as np

from benchmarks.quick import sized
from soak.analysis import judge

SERIES, HOURS = sized((200, 24), (5, 4))
HOUR = 3600.0
MB = 1048576.0


def main() -> None:
    """Judge them and print what it took."""
    rng = np.random.default_rng(1)
    t = np.arange(0.0, HOURS * HOUR)
    load = 8 * MB * ((t / HOUR) % 1.0 < 0.85)
    spent = 0.0
    for number in range(SERIES):
        y = 80 * MB + load + number % 3 * MB * t / HOUR + rng.normal(0.0, 0.2 * MB, t.size)
        begun = time.process_time()
        judge(t, y, HOUR, MB, trough=0.86)
        spent += time.process_time() - begun
    print(f"{spent:.2f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}")


if __name__ == "__main__":
    main()
