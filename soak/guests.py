"""The agent in a target that runs already: let in when a soak begins, taken out when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from soak.config import AgentConfig
from soak.errors import SoakError
from soak_probes import Process
from soak_probes.agent_attach import AttachError, attach, python_version
from soak_probes.agent_client import AgentClient, AgentError
from soak_storage.records import EventRow

MOST = 32  # processes entered: each is held for some tens of milliseconds
DETACH_PATIENCE = 10.0  # seconds; an agent that hears nothing more leaves by itself
WAYS = {
    "gdb": "gdb, the last resort: it held the process for up to two seconds "
    "(`pip install '.[attach]'` in soak's clone is quicker)"
}
NOTE = "agent"  # kind of the events that a report shows under what soak did in the target


class Guests:
    """Enters the Python processes of an attached target, and remembers which, to leave them again."""

    def __init__(self, folder: Path, config: AgentConfig, interval: int, say: Callable[[str], None]) -> None:
        """`folder`: of the agents' sockets, soak's own; `interval`: the sampler's, in bytes; `say` tells the user."""
        self._folder = folder
        self._config = config
        self._interval = interval
        self._say = say
        self._entered: set[tuple[int, int]] = set()

    def enter(self, processes: Sequence[Process], t: float) -> Iterator[EventRow]:
        """Let the agent into those processes that run Python and have none; what could not be is an event, too.

        Raises SoakError `agent_not_let_in` when `agent.enabled` is "on" and no process could be entered.
        """
        wanted = [process for process in processes if process.key not in self._entered]
        python = [process for process in wanted if python_version(process.pid) is not None] or wanted[:1]
        refused = ""
        for process in python[:MOST]:
            try:
                way = self._attach(process.pid)
            except AttachError as error:
                refused = str(error)
                yield self._note(t, f"none in process {process.pid}: {error}")
            else:
                self._entered.add(process.key)
                yield self._note(t, f"let into process {process.pid} by {WAYS.get(way, way)}")
        if refused and not self._entered and self._config.enabled == "on":
            raise SoakError("agent_not_let_in", why=refused)

    def _attach(self, pid: int) -> str:
        config = self._config
        return attach(
            pid,
            self._folder,
            heap=config.heap,
            frames=config.frames,
            handles=config.handles,
            interval=self._interval,
        )

    def leave(self, t: float) -> Iterator[EventRow]:
        """Take the agents out, those of forked children as well, and tell what cannot be taken out."""
        client = AgentClient(self._folder)
        left, remains = 0, dict[str, None]()
        for pid in client.pids():
            try:
                answer = client.request(pid, "detach", timeout=DETACH_PATIENCE)
            except AgentError as error:  # it has ended, or it leaves by itself
                if pid in {entered for entered, _ in self._entered}:
                    yield self._note(t, f"that in process {pid} did not answer its dismissal: {error}")
            else:
                left += 1
                remains.update(dict.fromkeys(map(str, answer.get("remains", ()))))
        client.close()
        if left:
            where = f"{left} processes" if left > 1 else "the process"
            yield self._note(t, f"taken out of {where} again; what stays: {', '.join(remains)}")

    def _note(self, t: float, text: str) -> EventRow:
        self._say(f"agent: {text}")
        return EventRow(NOTE, t, t, {"note": text})
