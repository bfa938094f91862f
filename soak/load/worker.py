"""A load worker: `python -m soak.load.worker`, started by `LoadGenerator`, in a process of its own.

stdin: the plan, then a line to stop; when it ends, the parent is gone and so are we, at once.
stdout: the deltas, once a second. When the parent does not read, nothing waits: the counts go on adding up.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from typing import Any

from soak.load.engine import Engine
from soak.load.frames import LENGTH, Order, pack
from soak.load.tally import LoadDelta

DELTA_S = 1.0
LAST_S, LAST_EVERY_S = 60.0, 0.1  # a machine may stand still for seconds; without a parent, `_GRACE_S` ends us
MISTAKE = 70  # EX_SOFTWARE of sysexits.h
_GRACE_S = 2.0  # between the end of the parent's pipe and the end of this process, whatever it is doing


class Reporter:
    """Writes deltas to the pipe without ever waiting for its reader."""

    def __init__(self, engine: Engine, fd: int) -> None:
        self._engine = engine
        self._fd = fd
        self._rest = b""
        self._cpu = 0.0
        self._statm = os.open("/proc/self/statm", os.O_RDONLY)  # now: the load may take all descriptors there are
        os.set_blocking(fd, False)

    def report(self) -> None:
        """Send what happened since the last report; when the pipe is full, later and together."""
        self._push()
        if self._rest:
            return
        deltas = self._engine.drain()
        if not deltas:
            now = self._engine.now()
            deltas = [LoadDelta(now, now, self._engine.cycle(now), self._engine.plan.scenarios[0].name)]
        cpu = time.process_time()
        deltas[0].worker_cpu_s, self._cpu = cpu - self._cpu, cpu
        deltas[0].worker_rss = self._resident_bytes()
        for delta in deltas:
            delta.worker = self._engine.worker
        self._rest = pack(deltas)
        self._push()

    def _push(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except BlockingIOError:
            pass

    def _resident_bytes(self) -> int:
        return int(os.pread(self._statm, 128, 0).split()[1]) * resource.getpagesize()

    async def last(self) -> None:
        """The final report: tries for as long as a parent that has not gone may need to look at its pipe."""
        for _ in range(int(LAST_S / LAST_EVERY_S)):
            self.report()
            if not self._rest:
                return
            await asyncio.sleep(LAST_EVERY_S)


async def _work(order: Order, deltas: int) -> None:
    engine = Engine(order.plan, order.zero, order.worker, order.since)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_give_up)
    threading.Thread(target=_watch_parent, args=(loop, engine), daemon=True).start()
    reporter = Reporter(engine, deltas)
    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not look at it again
    running = loop.create_task(engine.run())
    while not running.done():
        await asyncio.wait([running], timeout=DELTA_S)
        if not running.done():
            reporter.report()
    await reporter.last()
    running.result()


def _give_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A mistake of ours in a callback: end, and be replaced, rather than go on with half of the load unnoticed."""
    error = context.get("exception")
    if error is None or isinstance(error, OSError):  # connections break: that is counted where it happens
        return
    traceback.print_exception(error)
    os._exit(MISTAKE)


def _watch_parent(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    """In a thread, so that a scenario that hogs the loop cannot keep this process alive either."""
    line = os.read(0, 64)
    try:
        loop.call_soon_threadsafe(engine.stop)
    except RuntimeError:  # the loop has ended already
        return
    if not line:
        time.sleep(_GRACE_S)
        os._exit(1)


def read_order(fd: int) -> Order:
    """The order that the parent wrote; not a byte of what follows it, which is for the watching thread."""
    length = int.from_bytes(_exactly(fd, LENGTH), "little")
    order = pickle.loads(_exactly(fd, length))  # noqa: S301  # written by our own parent on a pipe nobody else has
    if not isinstance(order, Order):
        raise TypeError(f"expected an order, not {type(order)}")
    return order


def _exactly(fd: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = os.read(fd, count - len(data))
        if not piece:
            raise EOFError("the parent went before its order was complete")
        data += piece
    return data


def main() -> None:
    """Run one worker to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    order = read_order(sys.stdin.fileno())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    deltas = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a scenario prints belongs into the log
    try:
        import uvloop
    except ImportError:
        asyncio.run(_work(order, deltas))
    else:
        uvloop.run(_work(order, deltas))


if __name__ == "__main__":
    main()
