"""Who killed the target: the kernel for memory just now, or somebody else long after such a kill."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.attach import AttachedTarget
from soak.config import Target as TargetSettings
from soak.launch.ending import NEAR, Exit, OomCounter
from soak_probes import start_time_of
from tests.common import wait_until
from tests.target.conftest import Launch, said

UP = "import time; print('up'); time.sleep(600)"


class Kernel:
    """A /proc with the counter of process 60's control group, or only that of the whole machine, and a clock."""

    def __init__(self, root: Path, *, group: bool) -> None:
        self.now = 0.0
        self._proc, self._group = root / "proc", root / "cgroup/app"
        for folder in (self._proc / "self", self._proc / "60", self._group):
            folder.mkdir(parents=True)
        (self._proc / "60/cgroup").write_text("0::/app\n")
        (self._proc / "self/mountinfo").write_text(f"30 20 0:26 / {root}/cgroup rw - cgroup2 cgroup2 rw\n")
        self._counter = self._group / "memory.events" if group else self._proc / "vmstat"
        self.killed(0)
        self.counter = OomCounter(60, str(self._proc), monotonic=lambda: self.now)

    def killed(self, count: int) -> None:
        """So many by now."""
        self._counter.write_text(f"oom_kill {count}\n")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that soak does not start."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def killed_end(launch: Launch, kernel: Kernel) -> Exit:
    """How a started target ended that is killed now."""
    target = launch(UP)
    said(target)
    target._oom = kernel.counter
    os.kill(target.roots[0][0], signal.SIGKILL)
    return wait_until(target.poll) or pytest.fail()


@pytest.mark.parametrize("group", [True, False])
def test_a_kill_for_memory_is_one_of_just_now(launch: Launch, tmp_path: Path, group: bool) -> None:
    """A worker was killed for memory, and somebody kills the target a minute later: two different things."""
    kernel = Kernel(tmp_path / "kernel", group=group)
    kernel.killed(1)
    assert kernel.counter.kills() == 1  # a look of the run
    kernel.now = 60.0
    assert killed_end(launch, kernel).kind == "signal"
    kernel.killed(2)
    assert killed_end(launch, kernel).kind == "oom"


def test_a_target_that_takes_its_time_to_go_was_killed_for_memory(launch: Launch, tmp_path: Path) -> None:
    """The counter rises before the process is gone: a look in between takes nothing back."""
    kernel = Kernel(tmp_path / "kernel", group=True)
    kernel.killed(1)
    assert kernel.counter.kills() == 1
    kernel.now = NEAR
    assert killed_end(launch, kernel).kind == "oom"


@pytest.mark.parametrize(("group", "kind"), [(True, "oom"), (False, "gone")])
def test_of_an_attached_one_only_its_group_tells(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, group: bool, kind: str
) -> None:
    """It is gone, and nobody knows how: what the kernel killed elsewhere on the machine was not this one."""
    kernel = Kernel(tmp_path / "kernel", group=group)
    target = AttachedTarget(TargetSettings(pid=sleeper.pid))
    target.take(((sleeper.pid, start_time_of(sleeper.pid) or 0),))
    target._oom = kernel.counter
    sleeper.kill()
    sleeper.wait()
    kernel.killed(1)
    end = target.poll()
    assert end is not None and end.kind == kind
    kernel.now = 60.0
    end = target.poll()
    assert end is not None and end.kind == "gone"
