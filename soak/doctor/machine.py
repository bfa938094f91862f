"""Checks of the machine: /proc, control groups, ptrace, descriptors, clock, cores, store."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soak.config import format_size
from soak.doctor.finding import Finding, Result
from soak_probes.cgroup import controller_folder, tightest

_SLOW_CLOCKS = ("hpet", "acpi_pm", "refined-jiffies", "jiffies")
_LEAST_KERNEL = (5, 3)  # pidfd_open, by which the warden sees soak's end
_SPARE_DESCRIPTORS = 100  # soak's own beside those of the load
_LEAST_FREE = 200 * 1024 * 1024  # bytes; a night of one target takes about a tenth of it
_CAP_SYS_PTRACE = 1 << 19  # capabilities(7)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the checks look at: the roots of /proc and /sys, requests in flight at most, and the store's folder."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    in_flight: int = 1000
    store: Path | None = None  # None: the store is not a file

    @property
    def privileged(self) -> bool:
        """CAP_SYS_PTRACE: root has it on a host, and has it not in most containers."""
        lines = _read(self.proc / "self/status").splitlines()
        held = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff")), 0)
        return bool(held & _CAP_SYS_PTRACE)


def examine(machine: Machine) -> list[Finding]:
    """Every check of the machine, in order."""
    return [Finding("machine", name, *check(machine)) for name, (_, check) in CHECKS.items()]


Answer = tuple[Result, str, str]


def _kernel(machine: Machine) -> Answer:
    release = platform.release()
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    if sys.platform != "linux" or numbers < _LEAST_KERNEL:
        return "fail", f"{platform.system()} {release}", "soak needs Linux 5.3 or later."
    return "ok", f"Linux {release}", ""


def _proc(machine: Machine) -> Answer:
    mounts = _read(machine.proc / "mounts").splitlines()
    options = next((line.split()[3] for line in mounts if line.split()[1:3] == ["/proc", "proc"]), "")
    hidden = next((part for part in options.split(",") if part.startswith("hidepid=")), "hidepid=0")
    if hidden in ("hidepid=0", "hidepid=off") or machine.privileged:
        return "ok", f"mounted, {hidden}", ""
    return "warn", f"mounted, {hidden}: other users' processes are invisible", "Soak as the target's user."


def _others(machine: Machine) -> Answer:
    if machine.privileged:
        return "ok", "every series of every user's processes can be read", ""
    what = "of other users' processes only rss, cpu, threads and the number of descriptors can be read"
    return "warn", what, "Soak as the target's user, or give soak CAP_SYS_PTRACE."


def _ptrace(machine: Machine) -> Answer:
    scope = _read(machine.proc / "sys/kernel/yama/ptrace_scope").strip()
    if scope in ("", "0") or (machine.privileged and scope != "3"):
        return "ok", f"yama ptrace_scope {scope or 'absent'}", ""
    return (
        "warn",
        f"yama ptrace_scope {scope}: the agent cannot be put into a process that runs already",
        "Let soak start the target, call soak_agent.start() in it, or set kernel.yama.ptrace_scope to 0.",
    )


def _cgroup(machine: Machine) -> Answer:
    kinds = {line.split()[2] for line in _read(machine.proc / "mounts").splitlines() if len(line.split()) > 2}
    version = "hybrid (v1 and v2)" if {"cgroup", "cgroup2"} <= kinds else "v2" if "cgroup2" in kinds else "v1"
    if not kinds & {"cgroup", "cgroup2"}:
        return "warn", "not mounted: memory limits and OOM kills are not seen", "Mount /sys/fs/cgroup read-only."
    folder = controller_folder("memory", os.getpid(), str(machine.proc))
    limit = tightest(folder, "memory.max", "memory.limit_in_bytes") if folder else None
    said = f"memory limit here {format_size(limit[0])}" if limit else "no memory limit here"
    return "ok", f"{version}, {said}", ""


def _descriptors(machine: Machine) -> Answer:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = machine.in_flight + _SPARE_DESCRIPTORS
    said = f"{soft} of at most {hard}; load.max_in_flight {machine.in_flight} needs {needed}"
    if soft >= needed:
        return "ok", said, ""
    return "warn", said, f"ulimit -n {needed}" if hard >= needed else "Raise LimitNOFILE, or lower load.max_in_flight."


def _clock(machine: Machine) -> Answer:
    source = _read(machine.sys / "devices/system/clocksource/clocksource0/current_clocksource").strip() or "unknown"
    if source in _SLOW_CLOCKS:
        return "warn", f"{source}: each look at it costs microseconds, pacing is coarse", "Let the kernel use tsc."
    return "ok", source, ""


def _cores(machine: Machine) -> Answer:
    cores, memory = len(os.sched_getaffinity(0)), _available(machine)
    said = f"{cores} core(s), {format_size(memory // 2**20 * 2**20)} of memory available"
    if cores < 2:
        mend = "Latencies will hold the load's own cost; leaks are not affected. Give soak a second core."
        return "warn", f"{said}: load and target share one", mend
    return "ok", said, ""


def _store(machine: Machine) -> Answer:
    if machine.store is None:
        return "ok", "not a file", ""
    folder = next(place for place in (machine.store, *machine.store.parents) if place.exists())
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return "fail", f"{folder} cannot be written to", "Change its owner, or name another store with --store."
    if free < _LEAST_FREE:
        return "warn", f"{format_size(free)} free in {folder}", "Make room: soak db prune."
    return "ok", f"{folder}, {free // 2**30} GB free", ""


CHECKS: dict[str, tuple[str, Callable[[Machine], Answer]]] = {
    "kernel": ("Linux 5.3 or later", _kernel),
    "proc": ("/proc shows processes", _proc),
    "others": ("what can be read of other users' processes", _others),
    "ptrace": ("whether the agent can be put into a running process", _ptrace),
    "cgroup": ("version of control groups and the memory limit", _cgroup),
    "descriptors": ("enough descriptors for the load", _descriptors),
    "clock": ("a clock that is cheap to read", _clock),
    "cores": ("cores and memory", _cores),
    "store": ("the store's folder can be written to and has room", _store),
}


def _available(machine: Machine) -> int:
    lines = _read(machine.proc / "meminfo").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
