"""The parts of the guest put together: begins, answers requests, and leaves.

Nothing is pushed: the asker sends `{"op": "read", ...}` and gets one line back. All numbers are of this process alone.
What only a reading needs is imported by the first one: a process that is never asked pays for the hooks alone.
"""

from __future__ import annotations

import os
import sys

from . import PROTOCOL
from .births import OWN_THREADS, Births, installed
from .headroom import room_for
from .heap import Off, choose
from .server import Server
from .stdlib import load, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .readings import Readings


class Agent:
    """One per process."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        self.pid = os.getpid()
        self.main_ident = _main_ident()
        self.heap: Off = Off()
        self.heap_why = ""
        self.readings: Readings | None = None
        self.operations = {
            "hello": self.hello,
            "read": lambda request: self.reader().read(request),
            "holders": lambda request: self.reader().who_holds(request),
            "native": lambda request: self.reader().native(request),
            "mark": self.mark,
            "heap": self.switch_heap,
            "detach": self.detach,
        }
        self.server = Server(settings["SOAK_AGENT_DIR"], self.answer, self.look, OWN_THREADS)
        self.server.orphaned = lambda: self.detach({})
        self.server.lonely = self._number("SOAK_AGENT_LEAVES", 0)

    def begin(self) -> None:
        """Open the socket, listen for births, choose the heap backend, and serve when all of it is there."""
        self.server.prepare()
        self.births = Births(self.server)
        if self.settings.get("SOAK_AGENT_HANDLES", "1") != "0":
            self.births.start()
        frames, interval = self._number("SOAK_AGENT_FRAMES", 1), self._number("SOAK_AGENT_INTERVAL", 0)
        self.heap, self.heap_why = choose(self.settings.get("SOAK_AGENT_HEAP", "auto"), frames, interval)
        self.server.restart()

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self.settings.get(name) or default)
        except ValueError:
            return default

    def look(self) -> None:
        """Notice what the target imported since."""
        if self.births.handlers:
            self.births.look()

    def resume(self) -> None:
        """In the parent, after a fork."""
        self.births.forked()
        self.server.resume()

    def reborn(self) -> None:
        """In a forked child: same settings, own socket, own baseline; threads and children stayed with the parent."""
        self.pid = os.getpid()
        self.main_ident = load("_thread").get_ident()
        OWN_THREADS.intersection_update((self.main_ident,))
        self.births.threads.clear()
        self.births.forks = []
        self.births.forking.clear()
        self.readings = None
        self.server.reborn()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request; ValueError names an operation that does not exist."""
        self.look()
        self.heap.hide()
        operation = self.operations.get(str(request.get("op")))
        if operation is None:
            raise ValueError(f"no operation {request.get('op')!r}")
        return operation(request)

    def hello(self, request: dict[str, Any]) -> dict[str, Any]:
        """Who and what this process is."""
        start = int(read_file("/proc/self/stat").rpartition(b")")[2].split()[19])
        return {
            "protocol": PROTOCOL, "pid": self.pid, "start_time": start, "ppid": os.getppid(),
            "python": "{}.{}.{}".format(*sys.version_info), "executable": sys.executable,
            "pid_ns": os.readlink("/proc/self/ns/pid"), "heap_mode": self.heap.name, "heap_why": self.heap_why,
            "frames": self.heap.frames, "handles": bool(self.births.handlers), **self.server.footprint(),
        }  # fmt: skip

    def reader(self) -> Readings:
        """What takes readings, imported with all it needs by the first one."""
        if self.readings is None:
            from .readings import Readings

            self.readings = Readings(self.heap, self.births, self.server, self.main_ident)
        return self.readings

    def mark(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is allocated from now on was born in `cycle`; a reading of cycle n marks n + 1 by itself."""
        self.heap.mark(int(request["cycle"]))
        return {}

    def switch_heap(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change the heap backend: `mode`, `frames`, `interval`; what was known by the old one is forgotten.

        With `block_bytes` there has to be room for so many for each living block; ValueError where there is not.
        """
        short = room_for(sys.getallocatedblocks() * int(request.get("block_bytes", 0)))
        if short:
            raise ValueError(short)
        self.heap.stop()
        self.readings = None
        frames, interval = int(request.get("frames", 1)), int(request.get("interval", 0))
        self.heap, self.heap_why = choose(str(request.get("mode", "auto")), frames, interval)
        return {"heap_mode": self.heap.name, "heap_why": self.heap_why, "frames": self.heap.frames}

    def detach(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop everything after this reply; says what cannot be removed."""
        self.heap.stop()
        self.births.stop()
        self.server.leave()
        global _agent
        _agent = None
        remains = ["modules named _soak_*", "three fork hooks that return at once"]
        if installed():
            remains.append("an audit hook with nothing to look for")
        if self.heap.name == "sampler":
            remains.append("the sampler's library, mapped and unhooked")
        return {"remains": remains}


def _main_ident() -> int:
    """Of the main thread, also when another one lets us in; the calling thread where `threading` is not loaded."""
    main = getattr(sys.modules.get("threading"), "_main_thread", None)
    return int(getattr(main, "_ident", None) or load("_thread").get_ident())


_agent: Agent | None = None
_forks = False  # whether the fork hooks are there: they cannot be removed


def running() -> bool:
    """True while the agent serves in this very process."""
    return _agent is not None and _agent.pid == os.getpid() and not _agent.server.ended


def directory() -> str:
    """The folder that the agent of this process serves in; empty without one."""
    return _agent.server.directory if _agent is not None and running() else ""


def begin(settings: Mapping[str, str]) -> bool:
    """Start with `settings` (the SOAK_AGENT_* variables); False when there is no folder to serve in.

    An agent that serves already goes on, unless its folder was removed: nobody can reach it, and it makes room.
    """
    global _agent, _forks
    if _agent is not None and not _agent.server.reachable():
        _agent.detach({})
    if _agent is not None or not settings.get("SOAK_AGENT_DIR"):
        return _agent is not None
    ident = load("_thread").get_ident()
    OWN_THREADS.add(ident)
    try:
        agent = Agent(dict(settings))
        agent.begin()
        _agent = agent
    finally:
        OWN_THREADS.discard(ident)
    if not _forks:
        _forks = True
        before, parent, child = (_at_fork(part) for part in ("pause", "resume", "reborn"))
        os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)
    return True


def _at_fork(part: str) -> Callable[[], None]:
    """A hook that never raises, whose own handles are not noted, and that does nothing without an agent."""
    ident = load("_thread").get_ident

    def act() -> None:
        agent, caller = _agent, ident()
        if agent is None:
            return
        OWN_THREADS.add(caller)
        try:
            getattr(agent.server if part == "pause" else agent, part)()
        except Exception:
            pass
        finally:
            OWN_THREADS.discard(caller)

    return act
