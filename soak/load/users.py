"""The closed model: users that wait for each answer before they go on."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from soak.load import profiles
from soak.load.backoff import FIRST_WAIT, LONGEST_WAIT

if TYPE_CHECKING:
    from soak.load.arrivals import Mix
    from soak.load.engine import Engine
    from soak.load.shapes import Shape

ADJUST_S = 0.1  # how often the number of users follows the shape


class Users:
    """As many users as the shape says; worker w of W has every W-th of them."""

    def __init__(self, engine: Engine, shape: Shape, mix: Mix) -> None:
        self.engine = engine
        self.mix = mix
        self.pace = profiles.pace_of(engine.plan.profile)
        self.next_k = engine.worker
        self.step = engine.plan.workers
        self._shape = shape
        self._users: list[User] = []

    def adjust(self, when: float) -> float:
        """Start or dismiss users; the next time to look."""
        wanted = math.ceil(self._shape.rate(when) - 1e-9)
        plan = self.engine.plan
        mine = (wanted + plan.workers - 1 - self.engine.worker) // plan.workers
        while len(self._users) > mine:
            self._users.pop().dismissed = True
        now = self.engine.now()
        while len(self._users) < mine:
            user = User(self)
            self._users.append(user)
            user.go(now)
        return max(when + ADJUST_S, now)

    def rest(self) -> None:
        """The quiet phase begins: nobody starts anything any more."""
        for user in self._users:
            user.dismissed = True
        self._users.clear()


class User:
    """Sends, waits for the end of it, keeps its pace, and is patient when things fail: 1, 2, 4 ... 30 s."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._engine = users.engine
        self._started = 0.0
        self._failures = 0
        self.dismissed = False

    def go(self, now: float) -> None:
        """Send the next request: due now."""
        if self.dismissed:
            return
        users, engine = self._users, self._engine
        self._started = now
        k = users.next_k
        users.next_k = k + users.step
        scenario, fault = users.mix.always or users.mix.pick(k)
        if not engine.arrive(now, scenario, fault, self, now):
            self._later(max(engine.accounts.backoff.until - engine.now(), FIRST_WAIT))

    def ended(self, good: bool, now: float) -> None:
        """The request is over: the next one follows when its time has come."""
        if good:
            self._failures = 0
            wait = self._started + self._users.pace - now
            if wait > 0:
                self._later(wait)
            else:
                self.go(now)
        else:
            self._later(min(FIRST_WAIT * 2**self._failures, LONGEST_WAIT))
            self._failures = min(self._failures + 1, 10)

    def turned(self, sent: float) -> None:
        """Requests went well, and the next one was sent."""
        self._failures = 0
        self._started = sent

    def _later(self, delay: float) -> None:
        if self.dismissed:
            return
        asyncio.get_running_loop().call_later(delay, self._now)

    def _now(self) -> None:
        self.go(self._engine.now())
