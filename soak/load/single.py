"""Connections for one request only: streams and hostile clients do not go back to the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from soak.load.http1 import Http1
from soak.load.sse import Chunks
from soak.load.validate import JsonPath

if TYPE_CHECKING:
    from soak.load.accounts import Accounts, Job
    from soak.load.dial import Dialler
    from soak.load.gather import Gather
    from soak.load.plan import ScenarioPlan


class Singles:
    """The live connections of one scenario, and what they need to know."""

    def __init__(
        self,
        scenario: ScenarioPlan,
        request: bytes,
        accounts: Accounts,
        dialler: Dialler,
        timeout: float,
        gather: Gather | None,
    ) -> None:
        self.scenario = scenario
        self.request = request
        self.accounts = accounts
        self.dialler = dialler
        self.timeout = timeout
        self.gather = gather  # of streams: they are read together
        self.chunks = Chunks()
        self.sequence = JsonPath(scenario.sequence or "$.seq") if scenario.sequence or scenario.validate else None
        self.live: dict[Single, None] = {}
        self._refusals_left = 0

    def expect_refusals(self, count: int) -> None:
        """Of the streams that are opened now, so many are to be refused."""
        self._refusals_left = count

    def refused(self) -> bool:
        """A stream was refused; True when that was to be expected."""
        self._refusals_left -= 1
        return self._refusals_left >= 0

    @property
    def refusals_left(self) -> int:
        """Refusals that were expected and have not come; below 0: so many too many."""
        return self._refusals_left

    def rest(self) -> None:
        """The load of this cycle is over: each connection ends in its own way."""
        for connection in list(self.live):
            connection.rest()


class Single(Http1):
    """Ends exactly once: failed, faulted, answered and done, or cut off."""

    __slots__ = ("_timer", "ended", "group", "job")

    receive_buffer: int | None = None  # bytes; None: the system's default

    def __init__(self, group: Singles, job: Job) -> None:
        super().__init__()
        self.group = group
        self.job = job
        self.ended = False
        self._timer: asyncio.TimerHandle | None = None
        group.live[self] = None
        self.after(group.timeout, self.timed_out)
        group.dialler.dial(self, self.receive_buffer)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds, instead of whatever was to be called before."""
        self.stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, call)

    def stop_timer(self) -> None:
        """Nothing is to be called any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def timed_out(self) -> None:
        """The target took too long."""
        self.broke("timeout")

    def broke(self, kind: str) -> None:
        """It failed: `kind` as counted."""
        if self.leave():
            self.group.accounts.failed(self.job, kind)

    def rest(self) -> None:
        """The load is over while this one still goes on."""
        if self.leave():
            self.group.accounts.cut(self.job)

    def leave(self, *, orderly: bool = False) -> bool:
        """Drop the connection (`orderly`: what was written goes out first).

        True for the first call, whose caller has to account for the job.
        """
        if self.ended:
            return False
        self.ended = True
        self.stop_timer()
        del self.group.live[self]
        if orderly:
            self.close()
        else:
            self.abort()
        return True
