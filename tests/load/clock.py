"""A clock for the engine that leaps from one event of its plan to the next as soon as the target has nothing to do.

What happens between two arrivals is then over before the second one, however slow this machine is, and what depends on
the order of arrivals, answers and the quiet part is the same in every run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from soak.load import accounts as accounts_module
from soak.load import engine as engine_module
from soak.load import gather as gather_module
from soak.load.engine import Engine

LOOK_S = 0.001  # how often it asks whether it may leap
ROUNDING_S = 1e-7  # so that what is due is not a rounding away from being due


def nothing_in_flight(engine: Engine) -> bool:
    """Every request that was sent is over."""
    return not engine.accounts.in_flight


class LeapingClock:
    """The engine's time: stands still until `settled(engine)`, then is that of the engine's next event at once.

    Where the plan ends, it stands still for good; `at_end` is called there as soon as nothing is in flight.
    """

    def __init__(self, settled: Callable[[Engine], bool] = nothing_in_flight) -> None:
        self.zero = time.monotonic()
        self.now = self.zero
        self.settled = settled
        self.at_end: Callable[[Engine], None] = lambda _: None

    @property
    def t(self) -> float:
        """Seconds since the run began."""
        return self.now - self.zero

    @contextmanager
    def rules(self) -> Iterator[None]:
        """The engines that are run inside have this clock; the kernel's stamps, which have not, are done without."""
        replaced = {"monotonic": lambda: self.now, "alarm": lambda loop, ring: _Alarm(self, loop, ring)}
        with ExitStack() as stack:
            stack.enter_context(patch.multiple(engine_module, POSSIBLE=False, **replaced))
            stack.enter_context(patch.object(accounts_module, "monotonic", replaced["monotonic"]))
            stack.enter_context(patch.object(gather_module, "POSSIBLE", False))
            yield


class _Alarm:
    """Rings at once when its time is past, and leaps to it when the clock may leap."""

    def __init__(self, clock: LeapingClock, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._loop = loop
        self._ring = ring
        self._engine: Engine = ring.__self__  # type: ignore[attr-defined]  # it is the engine's own method
        self._when: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Ring at `when` instead of any earlier setting."""
        self.close()
        self._when = when
        self._handle = self._loop.call_later(LOOK_S, self._look)

    def close(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        clock, engine, when = self._clock, self._engine, self._when
        assert when is not None
        over = when - engine.zero >= engine.plan.length
        if not over and (when <= clock.now or clock.settled(engine)):
            clock.now = max(clock.now, when + ROUNDING_S)
            self._handle = None
            self._ring()
            return
        if over and nothing_in_flight(engine):
            clock.at_end(engine)
        self.set(when)
