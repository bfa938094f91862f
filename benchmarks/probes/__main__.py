"""`python -m benchmarks.probes [SECONDS]`: the tables; 1 when watching costs more than its goal."""

from __future__ import annotations

import sys

import psutil

from benchmarks import quick
from benchmarks.peer_environments import PINNED
from benchmarks.probes.calls import kernel, measure
from benchmarks.probes.guests import guest
from benchmarks.probes.watching import watch, watch_as_psrecord

FILES = quick.sized((20, 4990), (20, 490))
GOALS = {1: 0.5, 50: 3.0}  # processes: percent of one core at one sample a second


def calls() -> None:
    """us per reading, at few and at many descriptors."""
    print(f"us of CPU per reading of one process, median ({kernel()}, psutil {psutil.__version__})\n")
    for files in FILES:
        with guest(files=files, sockets=10) as pid:
            print(f"{'with ' + str(files + 10) + ' descriptors':<28}{'soak':>10}{'psutil':>12}{'ratio':>9}")
            for cost in measure(pid):
                theirs = "-" if cost.psutil is None else f"{cost.psutil:,.1f}"
                ratio = "-" if cost.psutil is None else f"{cost.psutil / cost.ours:.1f} x"
                print(f"  {cost.reading:<26}{cost.ours:>10,.1f}{theirs:>12}{ratio:>9}")
        print()


def watching(seconds: int) -> bool:
    """Percent of one core, for one and for 50 processes at one sample a second; whether a goal was missed."""
    print(f"percent of one core at one sample a second, over {seconds} s")
    print("(soak reads all its series and the maps of every process every 10 s; psrecord reads cpu and memory)")
    print(f"({', '.join(PINNED['psrecord'])})\n")
    print(f"{'processes':<12}{'soak':>9}{'goal':>9}{'psrecord':>11}{'ratio':>9}{'soak MB':>10}")
    missed = False
    for count, goal in GOALS.items():
        with guest(forks=count - 1) as pid:
            ours, memory = watch("soak", pid, seconds)
            theirs = watch_as_psrecord(pid, seconds)
        peer = "not here" if theirs is None else f"{theirs:.3f} %"
        ratio = "-" if theirs is None else f"{theirs / ours:.1f} x"
        said = "ok" if ours <= goal else "MISSED"
        missed |= ours > goal
        print(f"{count:<12}{f'{ours:.3f} %':>9}{f'{goal} %':>9}{peer:>11}{ratio:>9}{memory / 2**20:>10.1f}  {said}")
    return missed


def main() -> int:
    """Print both tables; 1 when a goal was missed."""
    calls()
    return int(watching(int(sys.argv[1]) if len(sys.argv) > 1 else quick.sized(30, 2)))


if __name__ == "__main__":
    sys.exit(quick.run(main))
