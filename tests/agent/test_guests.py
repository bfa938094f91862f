"""The agent in a target that soak did not start: let in, asked, taken out, and in again; only what is said stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from soak.config import AgentConfig
from soak.errors import SoakError
from soak.guests import Guests
from soak.troughs import Moment, TroughReader
from soak_probes import Process, ProcessTree, agent_attach, start_time_of
from soak_storage.records import ReadingRow
from tests.common import wait_until

from .conftest import Guest

ATTACHABLE = pytest.mark.skipif(
    sys.version_info < (3, 14) and agent_attach._injector() is None and agent_attach.shutil.which("gdb") is None,
    reason="neither pyinjector nor gdb is installed",
)

LEAKING = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
kept = []
def culprit():
    kept.append(bytearray(200_000))
def serve():
    for line in sys.stdin:
        if not os.fork():
            signal.pause()
        for _ in range(50):
            culprit()
        print("made", flush=True)
print("ready", flush=True)
serve()
"""


def in_target(guest: Guest) -> tuple[int, list[str]]:
    """Its threads and descriptors, as the kernel tells; what is closed while it is looked at is left out."""
    folder = Path(f"/proc/{guest.pid}")
    links = []
    for fd in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(fd.readlink()))
    return len(list((folder / "task").iterdir())), sorted(links)


def processes(guest: Guest) -> list[Process]:
    """The target as soak sees it."""
    return ProcessTree([(guest.pid, start_time_of(guest.pid) or 0)]).refresh()


def both_are_met(reader: TroughReader, guest: Guest) -> bool:
    """Whether the target's agent and that of its forked child have answered."""
    return len(reader.meet(processes(guest))) == 2


@ATTACHABLE
def test_a_target_is_entered_read_left_and_entered_again(launch: Callable[..., Guest], tmp_path: Path) -> None:
    """The leaking line is named, forked children are met and left, threads and descriptors are then as before."""
    guest = launch(LEAKING, agent=False)
    assert guest.line() == "ready"
    before = in_target(guest)
    for number in range(2):
        folder = tmp_path / f"agents{number}"
        said: list[str] = []
        guests = Guests(folder, AgentConfig(), 16384, said.append)
        list(guests.enter(processes(guest), 0.0))
        assert "let into process" in said[0]
        reader = TroughReader(folder, AgentConfig(holders=False))
        assert guest.go() == "made"
        wait_until(partial(both_are_met, reader, guest))
        parent, child = processes(guest)
        list(reader.start(Moment(1.0, 0, 0), [parent]))
        (reading,) = [row for row in reader.finish(1.0, []) if isinstance(row, ReadingRow)]
        assert reading.agent_mode in ("sampler", "off")
        if reading.agent_mode == "sampler":
            assert reading.sites[0].stack[-1][2] == "culprit"
        reader.close()
        list(guests.leave(2.0))
        assert "taken out of 2 processes" in said[1]
        assert "what stays" in said[1]
        os.kill(child.pid, signal.SIGKILL)
        wait_until(lambda: in_target(guest) == before and len(processes(guest)) == 1)
        assert not list(folder.glob("*"))
    assert guest.errors() == ""


def test_an_agent_that_nobody_asks_any_more_leaves(launch: Callable[..., Guest]) -> None:
    """Soak was killed, or has lost its folder: the target does not carry a guest for ever.

    It was there if its fork hooks are, which stay: by the first line of the target it may have left already.
    """
    was_there = "import sys; print(sys.modules['_soak_agent.agent']._forks, flush=True)\n"
    guest = launch(was_there + LEAKING, env={"SOAK_AGENT_LEAVES": "1"})
    assert (guest.line(), guest.line()) == ("True", "ready")
    wait_until(lambda: in_target(guest)[0] == 1 and len(in_target(guest)[1]) == 3)  # the main thread, and 0 to 2
    assert guest.client.connect(guest.pid) is None


@pytest.mark.slow
@ATTACHABLE
def test_an_agent_whose_folder_is_gone_makes_room(launch: Callable[..., Guest], tmp_path: Path) -> None:
    """What a killed soak left in the target does not keep the next one out; one that serves another soak does."""
    guest = launch(LEAKING, agent=False)
    assert guest.line() == "ready"
    agent_attach.attach(guest.pid, tmp_path / "first", heap="off")
    with pytest.raises(agent_attach.AttachError, match="another soak has it"):
        agent_attach.attach(guest.pid, tmp_path / "second", heap="off")
    (tmp_path / "first" / f"{guest.pid}.sock").unlink()
    agent_attach.attach(guest.pid, tmp_path / "second", heap="off")
    guest.client.close()


def test_who_has_to_have_an_agent_and_cannot_is_told(tmp_path: Path) -> None:
    """With enabled = "on" the run ends with the reason; with "auto" it goes on and keeps the reason."""
    sleeper = subprocess.Popen(["/bin/sleep", "600"])
    try:
        alone = ProcessTree([(sleeper.pid, start_time_of(sleeper.pid) or 0)]).refresh()
        (event,) = Guests(tmp_path, AgentConfig(), 0, lambda text: None).enter(alone, 0.0)
        assert "runs no Python" in event.detail["note"]
        with pytest.raises(SoakError, match="runs no Python"):
            list(Guests(tmp_path, AgentConfig(enabled="on"), 0, lambda text: None).enter(alone, 0.0))
    finally:
        sleeper.kill()
        sleeper.wait()
