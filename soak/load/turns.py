"""Users that take their turns without Python in between: an answer is read, and the next request goes out.

A user of a closed loop asks again as soon as it was answered. Of what such a request costs, most was the way through a
dozen calls from its answer to the next request. As long as answers look like the ones before, and nothing else is due,
turns.c does that way, and what it did is counted here for all of it together. Whatever is unusual, and everything where
nothing could be compiled, goes the way of all other requests.
"""

from __future__ import annotations

import ctypes
import os
from array import array
from itertools import repeat
from typing import TYPE_CHECKING

from soak.load.accounts import Job
from soak.load.channel import READ_SIZE
from soak.load.compiled import AT, INT, LONG, Table, library
from soak.load.pool import Pool
from soak.load.runners import HttpRunner
from soak.load.users import User

if TYPE_CHECKING:
    from soak.load.engine import Engine
    from soak.load.pool import PooledConnection
    from soak.load.users import Users

AHEAD = 1024  # turns at most until they are counted, and the event loop has its own
LEAST_S = 0.002  # for less it is not worth it: epoll counts in milliseconds
ENOUGH = 32  # turns, and one of each user, make up for the tables
CREDIT = 10  # times as many that were taken before, at most, make up for those that are missing:
PAUSE_S = 1.0  # when that is used up, nothing is tried for so long


class _Turns(ctypes.Structure):
    """`struct turns` of turns.c."""

    _fields_ = (("next", AT), ("landed", AT), ("took", AT), ("what", AT), ("fired", AT), ("count", AT),
                ("requests", AT), ("buffer", AT), ("buffer_size", LONG), ("until", LONG), ("epoll", INT),
                ("descriptors", INT), ("stranger", INT), ("odd_fd", INT), ("odd_length", LONG),
                ("unsent", LONG))  # fmt: skip


class Turns:
    """The turns of the users of a plan in which there are no others."""

    def __init__(self, engine: Engine, users: Users) -> None:
        self._engine = engine
        self._users = users
        requests = [runner.request if isinstance(runner, HttpRunner) else None for runner in engine.runners]
        self._requests = [None if one is None or one.bodyless or one.scenario.max_s else one for one in requests]
        self._run = None if not any(self._requests) or (found := library()) is None else found.soak_turns
        self._table = Table(self._requests)
        self._next, self._landed = (array("i", bytes(4 * AHEAD)) for _ in range(2))
        self._took = array("q", bytes(8 * AHEAD))
        self._buffer = ctypes.create_string_buffer(READ_SIZE)
        self._base: int | None = None  # the number of the turn that `_next` begins with
        self._credit = CREDIT * ENOUGH
        self._resume = 0.0
        tables = (self._next, self._landed, self._took)
        self._turns = _Turns(*(table.buffer_info()[0] for table in tables), requests=self._table.address)
        self._turns.buffer, self._turns.buffer_size = ctypes.addressof(self._buffer), READ_SIZE

    def run(self) -> bool:
        """Take turns as long as that goes; False when there may be something to read that nobody has looked at."""
        engine, pool = self._engine, self._engine.pool
        now = engine.now()
        if self._run is None or now < self._resume or not isinstance(pool, Pool) or pool.gather is None:
            return False
        until = 0.0 if pool.opening else engine.alone(now)
        connections = self._connections(pool) if until - now > LEAST_S else {}
        if not connections:
            return False
        turns, first = self._turns, self._look_ahead()
        what, fired, count = self._by_descriptor(connections)
        turns.what, turns.fired, turns.count = (table.buffer_info()[0] for table in (what, fired, count))
        turns.descriptors, turns.epoll = len(what), pool.gather.fileno()
        turns.until = int((engine.zero + until) * 1e9)
        self._table.look_at_answers()
        following: int = self._run(ctypes.byref(turns), first, AHEAD)
        self._account(pool, connections, first, following, (what, fired, count))
        self._rate(following - first, len(connections))
        return following > first and not turns.stranger

    def _connections(self, pool: Pool) -> dict[int, PooledConnection]:
        """Those of which the next thing to come is the answer to a user who goes on after it."""
        found = {}
        for connection in pool.waiting():
            user = connection.job.user if connection.job is not None else None
            if isinstance(user, User) and not user.dismissed and connection.request in self._requests:
                found[connection.fd] = connection
        return found

    def _look_ahead(self) -> int:
        """Have what the next turns send in `_next`; where the next one is there."""
        users = self._users
        if self._base is None or users.next_k >= self._base + AHEAD * users.step:
            numbers = range(users.next_k, users.next_k + AHEAD * users.step, users.step)
            always = users.mix.always
            picked = repeat(always, AHEAD) if always else map(users.mix.pick, numbers)
            left = [request is None for request in self._requests]
            self._next[:] = array("i", [-1 if fault or left[scenario] else scenario for scenario, fault in picked])
            self._base = users.next_k
        return (users.next_k - self._base) // users.step

    def _by_descriptor(self, connections: dict[int, PooledConnection]) -> tuple[array[int], array[int], array[int]]:
        """Scenario on its way, when it was sent, and no turns."""
        size = max(connections) + 1
        what, fired, count = array("i", [-1]) * size, array("q", bytes(8 * size)), array("i", bytes(4 * size))
        scenarios = {request: number for number, request in enumerate(self._requests)}
        for fd, connection in connections.items():
            assert connection.job is not None
            what[fd] = scenarios[connection.request]
            fired[fd] = int((self._engine.zero + connection.job.fired) * 1e9)
        return what, fired, count

    def _account(
        self,
        pool: Pool,
        connections: dict[int, PooledConnection],
        first: int,
        following: int,
        tables: tuple[array[int], array[int], array[int]],
    ) -> None:
        """Count the turns; from here on what is on its way is the pool's."""
        engine, turns = self._engine, self._turns
        what, fired, count = tables
        if following > first:
            took = [nanoseconds * 1e-9 for nanoseconds in self._took[first:following]]
            tallies = engine.turned(self._landed[first:following], self._next[first:following], took)
            self._users.next_k += (following - first) * self._users.step
            for fd, connection in connections.items():
                request, job = self._requests[what[fd]], connection.job
                if count[fd] and request is not None and job is not None and isinstance(job.user, User):
                    sent = fired[fd] * 1e-9 - engine.zero
                    job.user.turned(sent)
                    pool.busy(connection, request, Job(tallies[what[fd]], sent, sent, job.user))
        if turns.odd_fd < 0:
            return
        odd = connections[turns.odd_fd]
        if turns.unsent:
            odd.write(odd.request.data[-turns.unsent :])
        elif turns.odd_length < 0:
            odd.lose(OSError(-turns.odd_length, os.strerror(-turns.odd_length)))
        else:
            odd.take_in(ctypes.string_at(self._buffer, turns.odd_length))

    def _rate(self, taken: int, users: int) -> None:
        """Where it hardly ever goes well, do without."""
        enough = max(ENOUGH, users)
        self._credit = min(self._credit + taken - enough, CREDIT * enough)
        if self._credit < 0:
            self._credit = 0
            self._resume = self._engine.now() + PAUSE_S
