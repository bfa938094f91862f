"""Nothing that soak started outlives it: not after kill -9 of soak, not after the warden's own end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from soak_probes import start_time_of
from tests.common import wait_until
from tests.target.conftest import Launch, delivered, gone, said

# A target with a worker that ignores SIGTERM, and a daemonised orphan in a session of its own.
FAMILY = """
import os, signal, time
def told():
    os.write(1, b"%d\\n" % os.getpid())  # at once: print writes the end of the line by itself, after somebody else's
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told(); time.sleep(600)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        told(); time.sleep(600)
    os._exit(0)
told(); time.sleep(600)
"""
UP = "import time; print('up'); time.sleep(600)"

SOAK = """
import json, sys, time
from pathlib import Path
from soak.config import Target
from soak.target import TargetProcess
folder, family, stop_timeout = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
command = (sys.executable, "-S", "-u", "-c", family)
target = TargetProcess(Target(command=command, cwd=folder, stop_timeout=stop_timeout))
target.start(folder, {})
while len(pids := (folder / "target.log").read_text().split()) < 3: time.sleep(0.01)
print(json.dumps([target.reaper_pid, *map(int, pids)]), flush=True)
time.sleep(600)
"""


@contextmanager
def soak(folder: Path, code: str = SOAK) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that stands for soak, and the pids of its warden and of what it started; all end with the test."""
    command = [sys.executable, "-c", code, str(folder), FAMILY, "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            pids = json.loads(process.stdout.readline())
            with ended(pids):
                assert not any(map(gone, pids))
                yield process, pids
        finally:
            process.kill()


@contextmanager
def ended(pids: list[int]) -> Iterator[None]:
    """These are killed at the end if they still run; whoever has the number of one by then is not."""
    born = {pid: start_time_of(pid) for pid in pids}
    try:
        yield
    finally:
        for pid, start_time in born.items():
            if start_time is not None and start_time_of(pid) == start_time:
                with suppress(ProcessLookupError):  # the warden is at it as well
                    os.kill(pid, signal.SIGKILL)


def test_kill_9_of_soak(tmp_path: Path) -> None:
    """Warden, target, stubborn worker and orphan: all are gone soon after."""
    with soak(tmp_path) as (process, pids):
        process.kill()
        process.wait()
        wait_until(lambda: gone(*pids))


def test_kill_9_of_soak_while_a_fork_holds_its_socket(tmp_path: Path) -> None:
    """A load worker that was forked keeps the socket open: the warden watches soak itself, too."""
    fork = textwrap.dedent(
        """
        import os
        original = print
        def print(*args, **kwargs):
            child = os.fork()
            if child == 0:
                os.close(1); time.sleep(600); os._exit(0)
            original(json.dumps(json.loads(args[0]) + [child]), **kwargs)
        """
    )
    with soak(tmp_path, fork + SOAK) as (process, (*pids, fork_pid)):
        process.kill()
        process.wait()
        wait_until(lambda: gone(*pids))
        assert not gone(fork_pid), "it held the socket open all the time"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_signals_for_soak_do_not_end_the_warden(launch: Launch, number: signal.Signals) -> None:
    """systemd signals the whole control group: the warden stays to end the target when soak says so, and tells how."""
    target = launch(FAMILY, stop_timeout=0.2)
    family = [int(line) for line in said(target, 3)]
    warden = target.reaper_pid
    assert warden is not None
    with ended(family):
        os.kill(warden, number)
        wait_until(lambda: delivered(warden))
        assert not any(map(gone, (warden, *family)))
        target.stop()
        assert gone(*family)
    end = target.poll()
    assert end is not None and end.cpu is not None, "only the warden is told what it used"


def test_kill_9_of_the_warden_ends_the_target(launch: Launch) -> None:
    """The target's parent-death signal; and soak is told that it lost it."""
    target = launch(UP)
    said(target)
    assert target.reaper_pid is not None
    os.kill(target.reaper_pid, signal.SIGKILL)
    wait_until(lambda: gone(target.roots[0][0]))
    wait_until(lambda: target.poll() is not None)
    end = target.poll()
    assert end is not None
    assert "warden" in end.message
    target.stop()


def test_a_restart_after_the_warden_was_killed(launch: Launch) -> None:
    """A new warden takes over."""
    target = launch(UP)
    said(target)
    assert target.reaper_pid is not None
    os.kill(target.reaper_pid, signal.SIGKILL)
    wait_until(lambda: target.poll() is not None)
    target.restart()
    said(target, 2)
    assert target.poll() is None


def test_an_abandoned_target_is_ended_by_the_warden(launch: Launch, tmp_path: Path) -> None:
    """The second Ctrl-C: soak does not wait for a target that takes its time, and yet nothing is left behind."""
    leave = tmp_path / "leave"
    target = launch(
        f"""
        import os, signal, sys, time
        def asked(*_):
            print("asked")
            while not os.path.exists({str(leave)!r}):
                time.sleep(0.01)
            sys.exit()
        signal.signal(signal.SIGTERM, asked)
        print("up"); time.sleep(600)
        """
    )
    said(target)
    warden, ((pid, _),) = target.reaper_pid, target.roots
    assert warden is not None
    target.abandon()
    assert not gone(pid), "it was waited for"
    assert said(target, 2)[1] == "asked"
    leave.touch()
    wait_until(lambda: gone(pid, warden))


def test_the_warden_is_gone_after_the_stop(launch: Launch) -> None:
    """It does not stay behind as a zombie either."""
    target = launch(UP)
    said(target)
    warden = target.reaper_pid
    assert warden is not None
    target.stop()
    assert not Path(f"/proc/{warden}").exists()


def test_the_warden_is_small(launch: Launch) -> None:
    """Below 16 MiB resident, most of it the interpreter's own shared pages: soak as a whole may take 60."""
    target = launch(UP)
    said(target)
    status = Path(f"/proc/{target.reaper_pid}/status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) < 16 * 1024


_V1 = Path("/sys/fs/cgroup/memory")
_GROUP = next((root for root in (_V1, Path("/sys/fs/cgroup")) if (root / "cgroup.procs").exists()), None)


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group of 160 MiB without swap, where this user may make one."""
    if _GROUP is None or not os.access(_GROUP, os.W_OK):
        pytest.skip("needs a memory control group, which this user may not make here")
    folder = _GROUP / f"soak-test-{os.getpid()}"
    folder.mkdir()
    (folder / ("memory.limit_in_bytes" if _GROUP == _V1 else "memory.max")).write_text(str(160 << 20))
    yield folder
    wait_until(lambda: removed(folder))


def removed(folder: Path) -> bool:
    """Whether the control group is gone: it is busy until the last process in it is reaped."""
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def test_killed_for_memory(memory_group: Path, tmp_path: Path) -> None:
    """Really killed by the kernel at its limit, with soak in the same group: not a SIGKILL of somebody else."""
    hog = "import time\nblocks = []\nwhile True:\n    blocks.append(b'x' * (8 << 20)); time.sleep(0.01)"
    code = f"""
    import os, sys, time
    from pathlib import Path
    Path({str(memory_group / "cgroup.procs")!r}).write_text(str(os.getpid()))
    from soak.config import Target
    from soak.target import TargetProcess
    folder = Path({str(tmp_path)!r})
    target = TargetProcess(Target(command=(sys.executable, "-S", "-c", {hog!r}), cwd=folder))
    target.start(folder, {{}})
    while (end := target.poll()) is None: time.sleep(0.02)
    target.stop()
    print(end.kind, end.code)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.split() == ["oom", "9"]
