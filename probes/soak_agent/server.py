"""A real thread that answers on a Unix socket in a private folder, and how it lives through fork.

The thread comes from `_thread` as the interpreter made it, so `threading` never hears of it and gevent does not turn it
into a greenlet. Before a fork it ends and afterwards starts again in parent and child: no lock of ours is held in the
child, and CPython 3.12 does not warn of a fork in a process with threads (later ones look when ours is back).
"""

from __future__ import annotations

import os
import sys

from .numbers import above, high, inherited, moved
from .stdlib import load, original
from .wire import MAX_REPLY, MAX_REQUEST, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FORK_PATIENCE = 0.2  # s a fork waits for an answer under way
SEND_PATIENCE = 5.0  # s a reply may take to be read
CONNECTIONS = 4  # at most this many askers at a time
WATCH = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)  # s between looks for modules the target has just imported
EARLY = 2.0  # s that what the target executes is left without descriptors of ours where it would come upon them
PEERCRED_BYTES = 12  # struct ucred: pid, uid, gid


class Server:
    """Answers one JSON line with one JSON line.

    `answer` maps a request to a reply, `look` runs while starting up, `idents` is told which threads are ours.
    """

    def __init__(
        self,
        directory: str,
        answer: Callable[[dict[str, Any]], dict[str, Any]],
        look: Callable[[], None],
        idents: set[int],
    ) -> None:
        self.directory = directory
        self.idents = idents
        self.answer = answer
        self.look = look
        self.thread_id = 0
        self.stopping = self.alive = self.ended = self.opened = False
        self.spent = 0.0  # s of CPU that our earlier threads in this process took
        self.wake_read = self.wake_write = -1
        self.due = 0.0  # when the thread opens the socket, if it is not open yet
        self.lonely = 0  # s without an asker until `orphaned` is called; 0: waits for ever
        self.orphaned: Callable[[], object] = self.leave
        self.socket = load("_socket")
        self.time = load("time")
        self.select_poll = original("select", "poll")
        self.start_thread = original("_thread", "start_new_thread")
        self.allocate_lock = original("_thread", "allocate_lock")
        self.connections: dict[int, list[Any]] = {}
        self.inodes: dict[int, int] = {}
        self._new_locks()

    def _new_locks(self) -> None:
        """`guard` is held to change stopping and alive; each thread has a `gone` that is held from before it starts."""
        self.guard = self.allocate_lock()
        self.gone = self.allocate_lock()
        self.early = self.allocate_lock()  # held while the thread waits until `due` to open the socket
        self.early.acquire()

    def prepare(self) -> None:
        """Open the socket, or leave that to the thread.

        To the thread in a program that the target runs where our descriptors cannot be above its limit: most such
        programs end soon, and one that counts its descriptors, or closes those it was left, does so first.
        """
        if above() or not inherited(self.directory):
            self.open()
        else:
            self.due = self.time.monotonic() + EARLY

    def open(self) -> None:
        """Make the socket `<pid>.sock`; OSError when the folder is not private to this user."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            facts = os.fstat(folder)
            if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
                raise PermissionError(self.directory)
            place = f"/proc/self/fd/{folder}/"  # short whatever the folder's name is
            name, early = f"{place}{os.getpid()}.sock", f"{place}.{os.getpid()}"
            if os.path.lexists(early):
                os.unlink(early)
            listener = self.socket.socket(self.socket.AF_UNIX, self.socket.SOCK_STREAM)
            listener.bind(early)
            listener.listen(CONNECTIONS)
            os.rename(early, name)  # under its name only when somebody listens
        finally:
            os.close(folder)
        ends = os.pipe()
        listening, self.wake_read, self.wake_write = moved([listener.detach(), *ends])
        self.listener = self.socket.socket(fileno=listening)
        for number in (listening, self.wake_read, self.wake_write):
            self.inodes[number] = os.fstat(number).st_ino
        self.opened = True

    def restart(self) -> None:
        """Start the thread."""
        self.stopping, self.alive = False, True
        self.gone = self.allocate_lock()
        self.gone.acquire()  # here, not in the thread: a fork that comes before its first turn has to wait for it, too
        try:
            self.start_thread(self._run, (self.gone,))
        except RuntimeError:  # no thread can be had now: another fork may find room for one
            self.alive = False
            raise

    def ours(self, number: int) -> bool:
        """Whether the descriptor is still the one we opened: targets close whole ranges and reuse the numbers."""
        try:
            return os.fstat(number).st_ino == self.inodes.get(number)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of every descriptor that is still ours."""
        if not self.opened:
            return
        self.opened = False
        for connection, _ in self.connections.values():
            self._drop(connection)
        self._drop(self.listener)
        for number in (self.wake_read, self.wake_write):
            if self.ours(number):
                os.close(number)
        self.connections.clear()
        self.inodes.clear()

    def _drop(self, connection: Any) -> None:
        number = connection.fileno()
        if self.ours(number):
            connection.close()
        else:
            connection.detach()
        self.inodes.pop(number, None)

    def pause(self) -> None:
        """End the thread and wait until the kernel has forgotten it; gives up after FORK_PATIENCE."""
        if not self.alive or self.ended:
            return
        self.stopping = True
        self._wake()
        if self.gone.acquire(True, FORK_PATIENCE):
            self.gone.release()
            deadline = self.time.monotonic() + FORK_PATIENCE
            while self.time.monotonic() < deadline and os.path.exists(f"/proc/self/task/{self.thread_id}"):
                self.time.sleep(0.0002)

    def _wake(self) -> None:
        """Have the thread look at `stopping`; whoever calls this may be another thread."""
        if not self.opened:
            if self.early.locked():
                self.early.release()
        elif self.ours(self.wake_write):
            os.write(self.wake_write, b"x")

    def resume(self) -> None:
        """After a fork, in the parent."""
        if self.ended:
            return
        with self.guard:
            self.stopping = False
            if not self.alive:
                self.restart()

    def reborn(self) -> None:
        """After a fork, in the child: what was inherited is let go, and a new socket is opened."""
        if self.ended:
            return
        self._new_locks()
        self.spent = 0.0
        self.close()
        self.open()
        self.restart()

    def reachable(self) -> bool:
        """Whether somebody who looks into our folder finds us, now or soon."""
        return not self.ended and (not self.opened or os.path.lexists(f"{self.directory}/{os.getpid()}.sock"))

    def leave(self) -> None:
        """End for good, once the reply under way is sent; the socket's name goes at once."""
        named = self.opened and self.reachable()
        self.stopping = self.ended = True
        self._wake()
        if named:
            os.unlink(f"{self.directory}/{os.getpid()}.sock")

    def _run(self, gone: Any) -> None:
        ident = load("_thread").get_ident()
        self.idents.add(ident)
        try:
            self.thread_id = load("_thread").get_native_id()
            signals = load("_signal")
            signals.pthread_sigmask(signals.SIG_BLOCK, signals.valid_signals())
            if not self.opened:
                self._wait()
            if self.opened:
                self._loop()
        except Exception:
            with self.guard:
                self.alive = False
        finally:
            self.spent += self.time.thread_time()
            self.idents.discard(ident)
            gone.release()

    def _wait(self) -> None:
        """Until it is time to open the socket, or the thread has to end."""
        left = self.due - self.time.monotonic()
        self.early.acquire(True, max(left, 0.0))
        with self.guard:
            if self.stopping:
                self.alive = False
                return
        self.open()

    def _loop(self) -> None:
        poll = self.select_poll()
        for number in (self.listener.fileno(), self.wake_read, *self.connections):
            poll.register(number, 1)
        pauses = iter(WATCH)
        asked = self.time.monotonic()
        while True:
            wait = next(pauses, None)
            patience = self.lonely if wait is None and self.lonely and not self.connections else wait
            events = poll.poll(None if patience is None else int(patience * 1000))
            if wait is not None:
                self._look()
            if events or self.connections:
                asked = self.time.monotonic()
            elif self.lonely and self.time.monotonic() - asked >= self.lonely:
                self.orphaned()
            for number, _ in events:
                if not self.ours(number):
                    poll.unregister(number)
                    self._forget(number)
                elif number == self.wake_read:
                    os.read(number, 64)
                elif number == self.listener.fileno():
                    self._accept(poll)
                elif not self._receive(number):
                    poll.unregister(number)
            with self.guard:
                if self.stopping:
                    self.alive = False
                    break
        if self.ended:
            self.close()

    def _look(self) -> None:
        try:
            self.look()
        except Exception:  # the modules of the target are in a state nobody expected: they are looked at again later
            pass

    def _forget(self, number: int) -> None:
        """The target closed a descriptor of ours; without a listener there is nothing left to serve."""
        if number in self.connections:
            self._drop(self.connections.pop(number)[0])
            return
        self.stopping = self.ended = True

    def _accept(self, poll: Any) -> None:
        number = high(self.listener._accept()[0])
        connection = self.socket.socket(fileno=number)
        self.inodes[number] = os.fstat(number).st_ino
        credentials = connection.getsockopt(self.socket.SOL_SOCKET, self.socket.SO_PEERCRED, PEERCRED_BYTES)
        uid = int.from_bytes(credentials[4:8], sys.byteorder)
        if uid not in (0, os.geteuid()) or len(self.connections) >= CONNECTIONS:
            self._drop(connection)
            return
        connection.settimeout(SEND_PATIENCE)
        self.connections[number] = [connection, b""]
        poll.register(number, 1)

    def _receive(self, number: int) -> bool:
        """Read and answer; False when the connection is over."""
        entry = self.connections[number]
        connection = entry[0]
        try:
            data = connection.recv(MAX_REQUEST)
            entry[1] = pending = entry[1] + data
            if not data or len(pending) > MAX_REQUEST:
                raise OSError("closed, or a line without an end")
            while b"\n" in entry[1]:
                line, _, entry[1] = entry[1].partition(b"\n")
                connection.sendall(self._reply(line))
        except (OSError, ValueError):
            self._drop(self.connections.pop(number)[0])
            return False
        return True

    def _reply(self, line: bytes) -> bytes:
        request: Any = decode(line.decode())
        if not isinstance(request, dict):
            raise ValueError("not an object")
        reply: dict[str, Any] = {"v": 1, "id": request.get("id")}
        try:
            result = self.answer(request)
            reply.update(ok=True, own=self.footprint(), **result)
        except Exception as error:
            reply.update(ok=False, error=f"{type(error).__name__}: {error}")
        text = encode(reply).encode()
        if len(text) > MAX_REPLY:
            text = encode({"v": 1, "id": request.get("id"), "ok": False, "error": "reply too large"}).encode()
        return text + b"\n"

    def footprint(self) -> dict[str, object]:
        """What of us the kernel shows in this process: to be subtracted from the target's counts."""
        return {"threads": [self.thread_id], "inodes": sorted(self.inodes.values())}
