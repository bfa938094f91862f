"""Requests of an open loop that closely follow each other, sent and read without Python in between.

What a request costs where little is to be done is not so much its work as waking up for it, and after each sleep the
caches are cold: the few lines of Python of one request then cost several times what they cost in a row. So between two
sleeps a hundred lines of C (burst.c, compiled when soak is installed) do what cannot wait: the request goes out, and
answers that look like the one before are taken off their sockets. They are counted together at the end, from the
moments that were noted. Whatever is unusual, and everything where nothing could be compiled, goes the way of all other
requests.
"""

from __future__ import annotations

import ctypes
import os
import socket
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from soak.load.channel import READ_SIZE
from soak.load.compiled import AT, INT, LONG, Table, library
from soak.load.gather import STAMP, TIMESPEC
from soak.load.pool import Pool

if TYPE_CHECKING:
    from soak.load.engine import Engine
    from soak.load.pool import PooledConnection, Request

MOST_IDLE = 32  # connections that a burst uses


class _Burst(ctypes.Structure):
    """`struct burst` of burst.c."""

    _fields_ = (("due", AT), ("what", AT), ("fd", AT), ("fired", AT), ("stamp", AT), ("taken", AT), ("requests", AT),
                ("idle", AT), ("buffer", AT), ("buffer_size", LONG), ("near", LONG), ("idle_count", INT),
                ("unsent", INT), ("odd_fd", LONG), ("odd_length", LONG), ("odd_stamp", LONG))  # fmt: skip


class Burst:
    """The next arrivals of one stream, and what becomes of them: `ahead` of them at most."""

    def __init__(self, engine: Engine, requests: Sequence[Request | None], ahead: int, near: float) -> None:
        """`requests` of each scenario: None where more is to be done than to send it. `near` in seconds."""
        self._engine = engine
        self._requests = requests
        self._run = None if not any(requests) or (found := library()) is None else found.soak_burst
        self._table = Table(requests)
        self._due, self._fired, self._stamp, self._taken = (array("q", bytes(8 * ahead)) for _ in range(4))
        self._what, self._fd = (array("i", bytes(4 * ahead)) for _ in range(2))
        self._idle = array("i", bytes(4 * MOST_IDLE))
        self._buffer = ctypes.create_string_buffer(READ_SIZE)
        self._times: Sequence[float] = ()
        tables = (self._due, self._what, self._fd, self._fired, self._stamp, self._taken)
        self._burst = _Burst(
            *(table.buffer_info()[0] for table in tables),
            self._table.address, self._idle.buffer_info()[0], ctypes.addressof(self._buffer), READ_SIZE,
            int(near * 1e9),
        )  # fmt: skip

    def load(self, times: Sequence[float], scenarios: Sequence[int], faults: Sequence[str | None]) -> None:
        """The arrivals from now on: when they are due (seconds since the run began), and what is sent."""
        zero = self._engine.zero
        self._times = times
        self._due[:] = array("q", [int((zero + time) * 1e9) if time < 1e9 else 1 << 62 for time in times])
        quick = [-1 if request is None else number for number, request in enumerate(self._requests)]
        self._what[:] = array("i", [quick[one] for one in scenarios])
        for at in [at for at, fault in enumerate(faults) if fault is not None]:
            self._what[at] = -1

    def run(self, first: int, end: int) -> int:
        """Fire the arrivals from number `first` on, before number `end`, and count them; the number of the next one."""
        pool = self._engine.pool
        if self._run is None or not isinstance(pool, Pool) or pool.gather is None:
            return first
        places = min(MOST_IDLE, self._engine.most_in_flight - self._engine.accounts.in_flight)
        burst, idle = self._burst, pool.idle[-places:] if places > 0 else []
        if not all(connection.free for connection in idle) or not idle:
            return first
        connections = {connection.fd: connection for connection in idle}
        self._idle[: len(idle)] = array("i", connections)
        self._table.look_at_answers()
        self._taken[first:end] = array("q", bytes(8 * (end - first)))
        burst.idle_count = len(idle)
        following: int = self._run(ctypes.byref(burst), first, end)
        pool.idle[-len(idle) :] = [connections[fd] for fd in self._idle[: burst.idle_count]]
        self._account(pool, connections, first, following)
        return following

    def _account(self, pool: Pool, connections: dict[int, PooledConnection], first: int, following: int) -> None:
        """Count what was sent and what landed; from here on what is on its way is the pool's."""
        engine, burst, gather = self._engine, self._burst, pool.gather
        assert gather is not None
        gather.check(engine.zero + engine.now())
        for at in range(first, following):
            scenario = self._what[at]
            request = self._requests[scenario]
            assert request is not None
            fired = self._fired[at] * 1e-9
            job = engine.sent(self._times[at], scenario, fired - engine.zero)
            if self._taken[at]:
                status, _, retry_after = request.heads.answer
                moment = gather.between(self._stamp[at] * 1e-9, fired, self._taken[at] * 1e-9)
                engine.accounts.landed(job, request.scenario, status, retry_after, moment)
            else:
                pool.busy(connections[self._fd[at]], request, job)
        if burst.unsent:
            last = connections[self._fd[following - 1]]
            last.unsent(last.request.data[-burst.unsent :])
        if burst.odd_fd < 0:
            return
        if burst.odd_length < 0:
            connections[burst.odd_fd].lose(OSError(-burst.odd_length, os.strerror(-burst.odd_length)))
        else:
            stamp = TIMESPEC.pack(*divmod(burst.odd_stamp, 10**9))
            notes = [(socket.SOL_SOCKET, STAMP, stamp)] if burst.odd_stamp else []
            connections[burst.odd_fd].take_late(ctypes.string_at(self._buffer, burst.odd_length), notes)
