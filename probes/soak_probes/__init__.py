"""Looks at a process and all it started from outside, through /proc and sock_diag; knows neither load nor store."""

from __future__ import annotations

from soak_probes.observer import Observer
from soak_probes.probes import PROBES
from soak_probes.process import Process, start_time_of
from soak_probes.reading import NO_RIGHTS, TOTAL, Excluded, ProcessGone, Reading, Refused
from soak_probes.tree import ProcessTree

__all__ = [
    "NO_RIGHTS",
    "PROBES",
    "TOTAL",
    "Excluded",
    "Observer",
    "Process",
    "ProcessGone",
    "ProcessTree",
    "Reading",
    "Refused",
    "start_time_of",
]
