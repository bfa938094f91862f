"""The doctor's checks of the machine, on made-up /proc and /sys trees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soak.doctor.finding import Finding, worst
from soak.doctor.machine import CHECKS, Machine, examine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A healthy machine of an ordinary user."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    clock = sys / "devices/system/clocksource/clocksource0"
    for folder in (proc / "self", proc / "sys/kernel/yama", clock, tmp_path / "store"):
        folder.mkdir(parents=True)
    (proc / "mounts").write_text("proc /proc proc rw,nosuid 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    (proc / "self/status").write_text("Name:\tsoak\nCapEff:\t0000000000080000\n")
    (proc / "sys/kernel/yama/ptrace_scope").write_text("0\n")
    (proc / "meminfo").write_text("MemTotal: 2048 kB\nMemAvailable: 1024000 kB\n")
    (clock / "current_clocksource").write_text("tsc\n")
    return Machine(proc=proc, sys=sys, in_flight=10, store=tmp_path / "store")


def found(machine: Machine, name: str) -> Finding:
    """The finding of one check."""
    return next(finding for finding in examine(machine) if finding.name == name)


def test_a_healthy_machine_has_nothing_to_mend(machine: Machine) -> None:
    """Every check appears once; none of those that the tree decides warns."""
    findings = examine(machine)
    assert [finding.name for finding in findings] == list(CHECKS)
    decided = [finding for finding in findings if finding.name not in ("cores", "descriptors")]
    assert {finding.result for finding in decided} == {"ok"}, decided
    assert not any(finding.mend for finding in decided)


def test_hidden_processes_are_said(machine: Machine) -> None:
    """hidepid hides other users' processes from everybody without CAP_SYS_PTRACE, root in a container too."""
    (machine.proc / "mounts").write_text("proc /proc proc rw,hidepid=2 0 0\n")
    assert found(machine, "proc").result == "ok"
    (machine.proc / "self/status").write_text("CapEff:\t00000000a80425fb\n")  # what container engines give to root
    assert found(machine, "proc").result == "warn"


def test_missing_rights_are_said_with_their_mend(machine: Machine) -> None:
    """Without CAP_SYS_PTRACE most series of other users' processes are gaps."""
    (machine.proc / "self/status").write_text("CapEff:\t0000000000000000\n")
    finding = found(machine, "others")
    assert finding.result == "warn" and "CAP_SYS_PTRACE" in finding.mend
    (machine.proc / "sys/kernel/yama/ptrace_scope").write_text("1\n")
    assert "ptrace_scope 1" in found(machine, "ptrace").what


@pytest.mark.parametrize(
    ("mounts", "result", "said"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0", "ok", "v2"),
        ("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0", "ok", "v1"),
        ("cgroup a cgroup rw 0 0\ncgroup2 b cgroup2 rw 0 0", "ok", "hybrid"),
        ("proc /proc proc rw 0 0", "warn", "not mounted"),
    ],
)
def test_the_version_of_control_groups_is_told(machine: Machine, mounts: str, result: str, said: str) -> None:
    """Version 1, 2, both, or none."""
    (machine.proc / "mounts").write_text(mounts + "\n")
    finding = found(machine, "cgroup")
    assert finding.result == result and said in finding.what


def test_too_few_descriptors_are_said(machine: Machine) -> None:
    """The load needs one for each request in flight."""
    assert found(replace(machine, in_flight=10_000_000), "descriptors").result == "warn"


def test_a_slow_clock_is_said(machine: Machine) -> None:
    """hpet and acpi_pm cost microseconds at each look."""
    clock = machine.sys / "devices/system/clocksource/clocksource0/current_clocksource"
    clock.write_text("hpet\n")
    assert found(machine, "clock").result == "warn"


def test_a_store_that_is_no_file_is_none_of_our_business(machine: Machine) -> None:
    """Postgres has its own folder; a folder that does not exist yet is judged by the one above it."""
    assert found(replace(machine, store=None), "store").what == "not a file"
    assert machine.store is not None
    assert found(replace(machine, store=machine.store / "new/one"), "store").result == "ok"


def test_the_worst_result_wins() -> None:
    """One failure fails all; a skipped check is no fault."""
    ok, warn, fail, skip = (Finding("a", "b", result, "") for result in ("ok", "warn", "fail", "skip"))  # type: ignore[arg-type] # the literals are these
    assert [worst([ok, skip]), worst([ok, warn]), worst([warn, fail, ok])] == ["ok", "warn", "fail"]
