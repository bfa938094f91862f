"""The parent of a target: a small process of its own between soak and what soak starts.

Run as a script, with the standard library only. It is the subreaper of everything the target starts, so orphans come
to it instead of to init, and it holds a socket to soak: when soak is gone, by whatever end, it stops the target and
all that is left of it, and then ends itself. It ignores the signals that are meant for soak: the socket decides.

Messages, one JSON object a line. From soak: {"op": "start", argv, env, cwd, log} and {"op": "stop", timeout}. To soak:
{"event": "started", pid, start_time}, {"event": "failed", step, errno}, {"event": "exit", pid, status, cpu, rss},
{"event": "stopped", killed}.
"""

# ruff: noqa: PTH123, PTH208, SIM105 -- pathlib and contextlib would double what this process imports; it lives as long as a soak

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False  # importing typing for it would cost a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILL_EVERY = 0.02  # seconds between two rounds of SIGKILL: what forked meanwhile is caught by the next
ORPHANS_GRACE = 2.0  # seconds that orphans get after the main process has ended

libc = ctypes.CDLL(None, use_errno=True)


class Warden:
    """Starts the target, reports its end, and ends whatever is left of it."""

    def __init__(self, control: socket.socket, soak_pid: int) -> None:
        self.control = control
        self.soak = os.pidfd_open(soak_pid)
        self.wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self.buffer = b""
        self.main: int | None = None
        self.stop_timeout = 10.0
        self.deadline: float | None = None  # set while stopping: when the killing begins
        self.orphans_told = False
        self.killed: set[int] = set()
        self.leaving = False

    def run(self) -> None:
        """Until soak is gone and nothing of the target is left."""
        poller = select.poll()
        for descriptor in (self.control.fileno(), self.soak, self.wake):
            poller.register(descriptor, select.POLLIN)
        while not (self.leaving and self.deadline is None):
            for descriptor, _ in poller.poll(self.patience()):
                if descriptor == self.wake:
                    os.read(self.wake, 4096)
                else:
                    if not self.listen(descriptor):
                        poller.unregister(descriptor)
            self.reap()
            self.pursue()

    def patience(self) -> float | None:
        """Milliseconds until something must be done without being woken."""
        if self.deadline is None:
            return None
        return max(KILL_EVERY, min(self.deadline - time.monotonic(), 0.25)) * 1000

    # ------------------------------------------------------------------------------------------------- messages

    def listen(self, descriptor: int) -> bool:
        """Take what soak says; False when this descriptor has nothing more to say."""
        try:
            data = self.control.recv(1 << 16) if descriptor == self.control.fileno() else b""
        except (ConnectionError, BlockingIOError):
            data = b""
        if not data:
            if not self.leaving:
                self.leaving = True
                self.stop(self.stop_timeout)
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.obey(json.loads(line))
        return True

    def obey(self, order: dict[str, Any]) -> None:
        """Carry out one order."""
        if order["op"] == "start":
            self.stop_timeout = order["stop_timeout"]
            self.start(order["argv"], order["env"], order["cwd"], order["log"])
        elif order["op"] == "stop":
            self.stop(order["timeout"])

    def tell(self, **event: object) -> None:
        """Say something to soak, if it is still there."""
        try:
            self.control.sendall(json.dumps(event).encode() + b"\n")
        except OSError:
            pass

    # ---------------------------------------------------------------------------------------------------- start

    def start(self, argv: list[str], env: dict[str, str], cwd: str, log: str) -> None:
        """Start the target; a step that failed in the child comes back through a pipe that exec closes."""
        report, report_write = os.pipe2(os.O_CLOEXEC)
        warden = os.getpid()
        pid = os.fork()
        if pid == 0:
            become_target(argv, env, cwd, log, warden, report_write)
        os.close(report_write)
        failure = os.read(report, 256)
        os.close(report)
        if failure:
            os.waitpid(pid, 0)
            step, _, number = failure.decode().partition(" ")
            self.tell(event="failed", step=step, errno=int(number))
            return
        self.main = pid
        self.tell(event="started", pid=pid, start_time=start_time(pid))

    # ------------------------------------------------------------------------------------------------------ end

    def reap(self) -> None:
        """Take the exit status of every child that ended: the target's goes to soak, orphans' are nobody's."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.main:
                self.main = None
                cpu = usage.ru_utime + usage.ru_stime
                self.tell(event="exit", pid=pid, status=status, cpu=cpu, rss=usage.ru_maxrss * 1024)

    def stop(self, timeout: float) -> None:
        """Begin to stop: a polite signal to the target's group, and a time after which it is no longer polite.

        Asked again while stopping, it may only be sooner.
        """
        deadline = time.monotonic() + timeout
        if self.deadline is not None:
            self.deadline = min(self.deadline, deadline)
            return
        self.deadline = deadline
        self.orphans_told = False
        self.killed.clear()
        if self.main is not None:
            for number in (signal.SIGTERM, signal.SIGCONT):  # a stopped process takes the first only after the second
                send(os.killpg, self.main, number)

    def pursue(self) -> None:
        """While stopping: go on to the next means when the last one has not been enough."""
        if self.deadline is None:
            return
        left = descendants(os.getpid())
        if not left:
            self.reap()  # the last may have ended since the last time, and its exit is told before the stop
            self.deadline = None
            self.tell(event="stopped", killed=len(self.killed))
        elif time.monotonic() >= self.deadline:
            for pid in left:
                send(os.kill, pid, signal.SIGKILL)
            self.killed.update(left)
        elif self.main is None and not self.orphans_told:
            self.orphans_told = True
            self.deadline = min(self.deadline, time.monotonic() + ORPHANS_GRACE)
            for pid in left:
                send(os.kill, pid, signal.SIGTERM)
                send(os.kill, pid, signal.SIGCONT)


def become_target(argv: list[str], env: dict[str, str], cwd: str, log: str, warden: int, report: int) -> None:
    """In the child: a clean process, and then the target. Never returns."""
    step = "start"
    try:
        os.setsid()
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != warden:
            os._exit(1)
        step = "log"
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        step = "cwd"
        os.chdir(cwd)
        step = "exec"
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvpe(argv[0], argv, env)  # noqa: S606 - a shell is what must not be between
    except OSError as error:
        os.write(report, f"{step} {error.errno}".encode())
    finally:
        os._exit(127)


def send(how: Callable[[int, int], None], pid: int, number: int) -> None:
    """A signal to what may be gone already."""
    try:
        how(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def descendants(ancestor: int) -> list[int]:
    """All processes below `ancestor`, by parent; ended ones that wait to be reaped are left out."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(name)
            # A zombie with more than one thread is none: its main thread has ended before the others.
            if fields and (fields[0] not in ("Z", "X") or int(fields[17]) > 1):
                children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    queue = [ancestor]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def stat_fields(pid: object) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> int:
    """Clock ticks after boot; the child cannot be gone, since only this process reaps it."""
    return int(stat_fields(pid)[19])


def main() -> None:
    """Arguments: the control socket's descriptor and soak's pid."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        Warden(control, int(sys.argv[2])).run()
    finally:
        while left := descendants(os.getpid()):  # whatever went wrong here, nothing is left behind
            for pid in left:
                send(os.kill, pid, signal.SIGKILL)
            time.sleep(KILL_EVERY)


if __name__ == "__main__":
    main()
