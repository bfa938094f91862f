"""Asks the agents who holds what grows: the sizes of containers early in a run, the chains of references at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from soak_probes import Process
from soak_probes.agent_client import AgentClient, AgentError
from soak_storage.records import EventRow

MOST_TYPES = 5  # followed: each instance costs passes over the heap
MOST_PROCESSES = 4  # of a pre-fork server, the workers do the same
LEAST_GROWTH = 10  # instances more than in the first reading


class HolderAsker:
    """Remembers what of each type was there first, and asks for the holders of what has grown since."""

    def __init__(self, client: AgentClient, longest_pause: float | None = None) -> None:
        self._client = client
        self._longest_pause = longest_pause  # ms
        self._first: dict[int, dict[str, int]] = {}
        self._last: dict[int, dict[str, int]] = {}

    def note(self, pid: int, types: Sequence[Mapping[str, Any]]) -> None:
        """The counts of one reading."""
        counts = {str(one["type"]): int(one["count"]) for one in types}
        self._first.setdefault(pid, counts)
        self._last[pid] = counts

    def remember_sizes(self, processes: Sequence[Process]) -> None:
        """Have the agents look at the sizes of large containers: what they say later is growth since then."""
        for process in processes[:MOST_PROCESSES]:
            self._ask(process.pid, [])

    def ask(self, processes: Sequence[Process], t: float) -> Iterator[EventRow]:
        """Who holds what has grown, an event for each process."""
        for process in processes[:MOST_PROCESSES]:
            answer = self._ask(process.pid, self._grown(process.pid))
            if answer is not None:
                detail = {key: answer[key] for key in ("holders", "late", "pause_ms")}
                yield EventRow("holders", t, t, {"process": process.label, **detail}, key=process.label)

    def _grown(self, pid: int) -> list[str]:
        first, last = self._first.get(pid, {}), self._last.get(pid, {})
        grown = {kind: count - first.get(kind, 0) for kind, count in last.items()}
        most = sorted(grown, key=lambda kind: -grown[kind])[:MOST_TYPES]
        return [kind for kind in most if grown[kind] >= LEAST_GROWTH]

    def _ask(self, pid: int, types: Sequence[str]) -> dict[str, Any] | None:
        """The answer; None when there is none: a finding without its holder is still a finding."""
        try:
            return self._client.holders(pid, types, longest_pause=self._longest_pause)
        except AgentError:
            return None
