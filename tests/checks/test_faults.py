"""Faults against real processes: what is done to them, when, and how the recovery is measured."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soak.config import Fault
from soak.faults import Faults, Victims
from soak_probes import ProcessTree, start_time_of
from soak_storage.records import EventRow
from tests.common import PATIENCE_S, accepts, free_port, wait_until

SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.BaseHTTPRequestHandler).serve_forever()
"""
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "worker-" + str(7)])
time.sleep(600)
"""
SLEEP = "import time; time.sleep(600)"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python processes that the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def make(code: str, *args: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-S", "-c", code, *args], stderr=subprocess.DEVNULL))
        return started[-1]

    yield make
    for process in started:
        for _ in range(2):
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def state_of(pid: int) -> str:
    """The letter of /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def victims(process: subprocess.Popen[bytes], answers: Callable[[], bool] | None = None) -> Victims:
    """A target that consists of `process` and its children."""
    key = (process.pid, start_time_of(process.pid) or 0)
    tree = ProcessTree([key])
    tree.refresh()
    return Victims(lambda: [key], lambda: tree.processes, answers=answers)


def settled(faults: Faults, now: float) -> EventRow:
    """The last event once the fault is over and recovered."""
    events: list[EventRow] = []

    def go_on() -> bool:
        events.extend(event for event in faults.loop(now) if isinstance(event, EventRow))
        return any(event.t1 is not None for event in events)

    wait_until(go_on)
    return events[-1]


def test_stop_holds_a_process_for_a_while(start: Start) -> None:
    """Stopped at half of a 20 s cycle, continued 4 s later; each cycle anew; the event spans it.

    By the injected clock no time passes while the target is asked whether it answers.
    """
    process = start(SLEEP)
    well = threading.Event()
    stop = Fault(at=0.5, kind="stop", lasting=4.0)
    faults = Faults([stop], 20.0, victims(process, well.is_set), monotonic=lambda: 7.0)
    assert list(faults.loop(9.9)) == [] and faults.due == 10.0
    (begun,) = faults.loop(10.0)
    wait_until(lambda: state_of(process.pid) == "T")
    assert isinstance(begun, EventRow) and begun.t1 is None and begun.detail["pids"] == [process.pid]
    assert list(faults.loop(13.0)) == []
    assert list(faults.loop(14.0)) == []  # continued; now it is asked whether it answers
    wait_until(lambda: state_of(process.pid) == "S")
    well.set()
    done = settled(faults, 14.2)
    assert done.key == begun.key and done.detail["lasted"] == 4.0
    assert done.detail["recovered"] == 0.0
    assert faults.due == 30.0


def test_recovery_is_the_time_until_it_answers(start: Start) -> None:
    """A server that is killed and started 0.3 s later by somebody else: recovery is measured from the kill."""
    port = free_port()
    first = start(SERVER, str(port))
    wait_until(lambda: accepts(port))
    faults = Faults([Fault(at=0.1, kind="kill")], 10_000.0, victims(first, lambda: accepts(port)))
    before = time.monotonic()
    list(faults.loop(1000.0))
    assert first.wait(PATIENCE_S) == -signal.SIGKILL
    list(faults.loop(1000.1))
    time.sleep(0.3)  # the outage itself
    start(SERVER, str(port))
    done = settled(faults, 1000.2)
    assert 0.3 <= done.detail["recovered"] <= time.monotonic() - before


def test_a_pattern_reaches_a_worker_before_the_first_process(start: Start) -> None:
    """Both command lines match, the child is killed and its parent lives on."""
    process = start(PARENT)
    tree = victims(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: bool(children.read_text().split()))
    child = int(children.read_text().split()[0])
    wait_until(lambda: b"worker-7" in Path(f"/proc/{child}/cmdline").read_bytes())
    tree = victims(process)
    faults = Faults([Fault(at=0.0, kind="kill", process="worker-7")], 10.0, tree)
    (begun, *_) = faults.loop(0.0)
    assert isinstance(begun, EventRow) and begun.detail["pids"] == [child]
    wait_until(lambda: start_time_of(child) is None)  # a zombie, or gone: its parent may have noticed already
    assert process.poll() is None


def test_what_cannot_be_done_is_said(start: Start) -> None:
    """No process matches; a target that is not ours cannot be restarted; a command that fails is named."""
    process = start(SLEEP)
    wanted = [
        Fault(at=0.0, kind="kill", process="no-such-program-xyz"),
        Fault(at=0.0, kind="restart"),
        Fault(at=0.0, kind="command", command=("false",)),
        Fault(at=0.0, kind="command", command=("/no/such/program",)),
    ]
    faults = Faults(wanted, 600.0, victims(process))
    last: dict[str | None, str] = {}

    def go_on() -> bool:
        last.update({e.key: e.detail["why"] for e in faults.loop(0.0) if isinstance(e, EventRow) and e.t1 is not None})
        return len(last) == 4

    wait_until(go_on)
    assert "no process matches 'no-such-program-xyz'" in last["0@0"]
    assert "did not start" in last["1@0"]
    assert last["2@0"] == "exit 1" and "No such file" in last["3@0"]
    assert process.poll() is None


def test_shutdown_lets_stopped_processes_go_on(start: Start) -> None:
    """A soak that ends in the middle of a stop leaves nobody stopped."""
    process = start(SLEEP)
    faults = Faults([Fault(at=0.0, kind="stop", lasting=5.0)], 10.0, victims(process))
    list(faults.loop(0.0))
    wait_until(lambda: state_of(process.pid) == "T")
    assert [event.detail["recovered"] for event in faults.finish(1.0) if isinstance(event, EventRow)] == [None]
    faults.shutdown()
    wait_until(lambda: state_of(process.pid) == "S")


def test_a_soak_that_is_killed_leaves_nobody_stopped(start: Start) -> None:
    """kill -9 of the process that stopped another: the guard beside it lets that one go on."""
    process = start(SLEEP)
    code = f"""
import time
from soak.config import Fault
from soak.faults import Faults, Victims
key = ({process.pid}, {start_time_of(process.pid)})
faults = Faults([Fault(at=0.0, kind="stop", lasting=60.0)], 100.0, Victims(lambda: [key], lambda: []))
list(faults.loop(0.0))
print("stopped", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as soak:
        assert soak.stdout is not None and soak.stdout.readline() == b"stopped\n"
        wait_until(lambda: state_of(process.pid) == "T")
        soak.kill()
    wait_until(lambda: state_of(process.pid) == "S")


def test_a_fault_that_was_missed_is_not_made_up_for(start: Start) -> None:
    """Soak was held up from before the moment into the next cycle: the fault waits for its time there."""
    process = start(SLEEP)
    faults = Faults([Fault(at=0.5, kind="kill")], 20.0, victims(process))
    assert list(faults.loop(21.0)) == []
    assert faults.due == 30.0 and process.poll() is None
