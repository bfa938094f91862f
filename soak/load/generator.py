"""The parent's side of the load: starts the workers, collects their deltas, never blocks and costs next to nothing."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

from soak.errors import interpreter_unusable
from soak.load.capacity import CapacityWatch
from soak.load.frames import LENGTH, Order, Unpacker
from soak.load.plan import LoadPlan
from soak.load.tally import LoadDelta

READ_SIZE = 1 << 16
LIFE_S = 10.0  # a worker that dies sooner than this after its start is replaced with growing patience
_COMMAND = (sys.executable, "-P", "-m", "soak.load.worker")  # -P: the user's folder may hold a logging.py


class _Worker:
    """One worker process and the stream of its deltas."""

    def __init__(self, plan: LoadPlan, zero: float, number: int, since: float, log: IO[bytes] | int) -> None:
        self.number = number
        self.plan = plan
        self.started = time.monotonic()
        self.seen = since  # until when its deltas have arrived
        self._frames = Unpacker()
        try:
            self.process = subprocess.Popen(
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        except OSError as error:
            raise interpreter_unusable(error) from error
        assert self.process.stdin is not None and self.process.stdout is not None
        self.out = self.process.stdout.fileno()
        os.set_blocking(self.out, False)
        order = pickle.dumps(Order(plan, zero, number, since))
        try:
            self.process.stdin.write(len(order).to_bytes(LENGTH, "little") + order)
            self.process.stdin.flush()
        except BrokenPipeError:  # it died at once: poll will see that
            pass

    def read(self) -> tuple[list[LoadDelta], bool]:
        """The deltas that have arrived, and whether the worker has closed its end."""
        deltas: list[LoadDelta] = []
        while True:
            try:
                data = os.read(self.out, READ_SIZE)
            except BlockingIOError:
                return deltas, False
            if not data:
                return deltas, True
            for batch in self._frames.feed(data):
                deltas += batch
                self.seen = max(self.seen, batch[0].t1)

    def ask_to_stop(self) -> None:
        """Tell it to end its load and report for the last time."""
        stdin = self.process.stdin
        try:
            if stdin is not None and not stdin.closed:
                stdin.write(b"stop\n")
                stdin.flush()
        except (BrokenPipeError, ValueError):
            pass

    def close(self) -> None:
        """Reap it; kills it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


class LoadGenerator:
    """Runs a plan in worker processes. `fileno()` is readable when `poll()` has something to return."""

    def __init__(self, plan: LoadPlan, *, log_path: Path | None = None) -> None:
        plan.check()
        self.plan = plan
        self._log_path = log_path
        self._zero = 0.0
        self._workers: dict[int, _Worker] = {}  # by the descriptor of its pipe
        self._due: list[tuple[float, int, float]] = []  # replacements: when, number, since
        self._quick_deaths = 0
        self._successor: LoadPlan | None = None
        self.capacity = CapacityWatch(plan.shape(), plan.cycle) if plan.profile == "capacity" else None
        self._stopping = False
        self._unread: list[LoadDelta] = []  # what arrived while `stop` waited
        self._epoll = select.epoll()

    def fileno(self) -> int:
        """For select, poll and event loops."""
        return self._epoll.fileno()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.process.pid for worker in self._workers.values()]

    @property
    def running(self) -> bool:
        """False once every worker has ended, after the last cycle or after `stop`."""
        return bool(self._workers or self._due)

    def start(self, zero: float, since: float = 0.0) -> None:
        """Start the workers; `zero` is CLOCK_MONOTONIC at t = 0, best half a second ahead: they take that to start.

        `since` is where in the plan they begin, in seconds: later than 0 in a run that goes on.
        """
        self._zero = zero
        for number in range(self.plan.workers):
            self._spawn(number, since)

    def poll(self) -> list[LoadDelta]:
        """What happened since the last call; never blocks. A worker that died is replaced, its gap is in `gaps`."""
        deltas, self._unread = [*self._unread, *self._read(0.0)], []
        if self.capacity is not None:
            self._watch(self.capacity, deltas)
        now = time.monotonic()
        for due in [due for due in self._due if due[0] <= now]:
            self._due.remove(due)
            self._spawn(due[1], due[2])
        return deltas

    def memory(self, share: float) -> None:
        """For the capacity profile: the target uses this share (0 to 1) of the memory that it may use."""
        if self.capacity is not None:
            self.capacity.memory(time.monotonic() - self._zero, share)

    def _read(self, timeout: float) -> list[LoadDelta]:
        """What the workers have to say within `timeout` seconds; those that have ended are reaped or replaced."""
        deltas: list[LoadDelta] = []
        for fd, _ in self._epoll.poll(timeout):
            worker = self._workers[fd]
            arrived, ended = worker.read()
            deltas += arrived
            if ended:
                deltas += self._ended(worker)
        return deltas

    def _watch(self, capacity: CapacityWatch, deltas: list[LoadDelta]) -> None:
        """When the target breaks: go on with the lowest rate to the end of the next cycle, and see it recover."""
        capacity.add(deltas)
        found = capacity.breaking
        if found is None or self._successor is not None or self._stopping:
            return
        cycles = min(int(found.t // self.plan.cycle) + 2, self.plan.cycles)
        self._successor = replace(self.plan, profile="constant", high=self.plan.low, cycles=cycles)
        for worker in self._workers.values():
            worker.ask_to_stop()

    def stop(self, timeout: float = 5.0) -> None:
        """End the load: waits until the workers have reported and ended, kills those that have not by `timeout`.

        What they report meanwhile is read, or a full pipe would keep them; a last `poll` returns it.
        """
        self._stopping = True
        self._due.clear()
        for worker in self._workers.values():
            worker.ask_to_stop()
        deadline = time.monotonic() + timeout
        while self._workers and (left := deadline - time.monotonic()) > 0:
            self._unread += self._read(left)
        for worker in self._workers.values():
            worker.process.kill()

    def close(self) -> None:
        """Kill and reap whatever is left."""
        self._stopping = True
        self._due.clear()
        for worker in list(self._workers.values()):
            self._forget(worker)
        self._epoll.close()

    def _spawn(self, number: int, since: float) -> None:
        plan = self._successor or self.plan
        if self._log_path is None:
            worker = _Worker(plan, self._zero, number, since, subprocess.DEVNULL)
        else:
            with self._log_path.open("ab") as log:
                worker = _Worker(plan, self._zero, number, since, log)
        self._workers[worker.out] = worker
        self._epoll.register(worker.out, select.EPOLLIN)

    def _forget(self, worker: _Worker) -> None:
        self._epoll.unregister(worker.out)
        del self._workers[worker.out]
        worker.close()

    def _ended(self, worker: _Worker) -> list[LoadDelta]:
        """Reap a worker whose pipe has ended; plan its replacement if its time had not come."""
        self._forget(worker)
        code = worker.process.returncode
        now = time.monotonic()
        t = now - self._zero
        plan = self._successor or self.plan
        replaced = worker.plan is not plan
        if self._stopping or (code == 0 and not replaced) or t >= plan.length:
            return []
        if replaced:
            self._due.append((now, worker.number, t))
            return []
        self._quick_deaths = self._quick_deaths + 1 if now - worker.started < LIFE_S else 0
        wait = min(2.0 ** (self._quick_deaths - 1), 30.0) if self._quick_deaths else 0.0
        self._due.append((now + wait, worker.number, worker.seen))
        why = f"load worker {worker.number} ended with {code}"
        cycle = min(max(int(t // self.plan.cycle), 0), self.plan.cycles - 1)
        name = self.plan.scenarios[0].name
        return [LoadDelta(worker.seen, t, cycle, name, gaps=[(worker.seen, t + wait, why)], limited=True)]
