"""Who made what: an audit hook and two registries write down the stack in which each handle was born.

Audit hooks cannot be removed, so this one looks an event up in a table that `stop()` empties. Threads before Python
3.12 and tasks raise no event: there the interpreter's own private registries (`threading._limbo`, the weak set of
tasks) are given a class that notes the addition. Tables are keyed by what the kernel or the interpreter reuses
(descriptor number, object address), so that they cannot outgrow the number of things alive at a time.
"""

from __future__ import annotations

import os
import sys

from .registries import watch_tasks, watch_threads
from .stacks import LINKS, capture
from .stdlib import load
from .temporary import TMP, Temporary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .server import Server
    from .stacks import Chain

FORKS = 4096  # child events kept between readings
DATABASES = 8192  # paths remembered
CHILD_SLACK = 0.25  # s a child may take to be made; of a fork the true time is known
CLAIMED = 8  # descriptors looked at when a child is made
STACKS = 300  # taken a second at most, 5 to 10 us each: 0.3 % of one core
LONGEST = 1e-3  # s that noting one birth may cost, a hundred times what it does: beyond that it waited for a core
WINDOW = 2.0  # s over which they are counted: a burst is taken whole
LIMITED = frozenset({"open", "socket.__new__", "mmap.__new__"})  # events that mean nothing without a stack
ARMED = 1000  # names of coroutines
OBJECTS = 100_000  # addresses remembered before the dead are swept out

OWN_THREADS: set[int] = (
    set()
)  # identifiers of threads that are not listened to: ours, and the target's while it is ours
_handlers: dict[str, Any] = {}
_installed = False
_timed = [0, 0.0]  # events that were noted, and the seconds that took
_shut = [0.0]  # until when (monotonic clock) no stack may be taken any more


class Births:
    """Tables of births; `fds`, `socks`, `threads`, `tasks`, `temporary` by key, `forks` in order of time.

    A row of `forks` is [begun, ended, name, chain, weak reference to a Popen or None], the times on CLOCK_BOOTTIME.
    """

    def __init__(self, server: Server) -> None:
        self.server = server  # has a descriptor of ours: duplicating it shows which number comes next
        self.clock = load("time").monotonic
        self.boot_clock = load("time").clock_gettime
        self.ident = load("_thread").get_ident
        self.ref = load("_weakref").ref
        self.handlers = _handlers
        self.current_task: Any = None
        self.running_loop: Any = None
        self.undo: list[Callable[[], None]] = []
        self.threads_hooked = self.tasks_hooked = False
        self.armed: set[str] = set()  # names of coroutines whose tasks are noted
        self.window, self.left = 0.0, 0
        self.noted = 0  # stacks taken
        self.timed = _timed
        self.clear()

    def cost(self) -> float:
        """Seconds spent on noting births: those that the audit hook timed, and as much for each of the others."""
        mean = self.timed[1] / self.timed[0] if self.timed[0] else 0.0
        return max(self.timed[1], self.noted * mean)

    def clear(self) -> None:
        """Forget every birth."""
        self.fds: dict[int, tuple[Chain, Any, float]] = {}
        self.socks: dict[int, tuple[Any, Chain, float]] = {}
        self.threads: dict[int, tuple[Chain, float]] = {}
        self.tasks: dict[int, tuple[Chain, float]] = {}
        self.temporary = Temporary()
        self.databases: dict[str, tuple[Chain, float]] = {}
        self.forks: list[list[Any]] = []
        self.forking: dict[int, list[Any]] = {}  # by thread: a fork that has not returned yet

    def start(self) -> None:
        """Begin to listen; the hook itself is installed once in the life of the process."""
        _install()
        _shut[0] = 0.0
        self.handlers.update(
            {
                "open": self._open, "socket.__new__": self._socket, "subprocess.Popen": self._popen,
                "os.fork": self._fork, "os.forkpty": self._forkpty, "os.posix_spawn": self._spawn,
                "tempfile.mkstemp": self._tempfile, "tempfile.mkdtemp": self._tempfile, "os.mkdir": self._mkdir,
                "os.remove": self._remove, "os.rmdir": self._remove, "os.rename": self._rename,
                "sqlite3.connect": self._database, "mmap.__new__": self._mmap, "import": self._import,
                "_thread.start_joinable_thread": self._thread, "_thread.start_new_thread": self._thread,
            }
        )  # fmt: skip
        self.look()

    def stop(self) -> None:
        """Listen no more and give the registries back."""
        self.handlers.clear()
        for put_back in self.undo:
            put_back()
        self.undo.clear()
        self.threads_hooked = self.tasks_hooked = False
        self.clear()

    def look(self) -> None:
        """Note threads and tasks from now on, as soon as the target has imported what makes them."""
        modules = sys.modules
        if not self.threads_hooked and hasattr(modules.get("threading"), "_active"):
            self.threads_hooked = True
            self.undo.append(watch_threads(modules["threading"], self.note_thread))
        if not self.tasks_hooked and hasattr(modules.get("asyncio"), "__all__"):
            self.tasks_hooked = True
            tasks = modules["asyncio.tasks"]
            self.running_loop = getattr(modules.get("_asyncio") or tasks, "_get_running_loop", None)
            self.current_task = getattr(tasks, "_c_current_task", None) or tasks.current_task
            self.undo.append(watch_tasks(tasks, self.armed, self.note_task))
        if self.threads_hooked and self.tasks_hooked:
            self.handlers.pop("import", None)

    def chain(self) -> Chain:
        """The stack now, followed by those of the asyncio tasks that led to it."""
        stack = capture()
        if self.running_loop is not None:
            loop = self.running_loop()
            task = self.current_task(loop) if loop is not None else None
            if task is not None:
                born = self.tasks.get(id(task))
                if born is not None:
                    return (stack, *born[0][: LINKS - 1])
                self.arm(task)
        return (stack,)

    def arm(self, task: Any) -> None:
        """From now on note where tasks are made that run what `task` runs: most never outlive a request."""
        if len(self.armed) < ARMED:
            self.armed.add(task.get_coro().__qualname__)

    def note_thread(self, thread: Any) -> None:
        """A thread object is being started."""
        try:
            self.threads.pop(id(thread), None)
            if self._affordable():
                self.threads[id(thread)] = (self.chain(), self.clock())
        except Exception:
            pass

    def note_task(self, task: Any) -> None:
        """A task was made that runs what was seen left over before."""
        if len(self.tasks) > OBJECTS:
            self.tasks.clear()
        self.tasks.pop(id(task), None)
        if self._affordable():
            self.tasks[id(task)] = (self.chain(), self.clock())

    def _affordable(self) -> bool:
        """Whether a stack may be taken now: at most STACKS a second, so that no target pays more than that."""
        now = self.clock()
        if now >= self.window:
            self.window, self.left = now + WINDOW, int(STACKS * WINDOW)
        self.left -= 1
        if self.left < 0:
            _shut[0] = self.window
            return False
        self.noted += 1
        return True

    def _import(self, args: Any) -> None:
        self.look()

    def _thread(self, args: Any) -> None:
        target = args[0]
        owner = getattr(target, "__self__", None)
        self.note_thread(target if owner is None else owner)

    def _next_fd(self) -> int:
        """The number the next descriptor will get: the lowest free one, by POSIX."""
        try:
            number = os.dup(self.server.wake_read)
        except OSError:  # not open yet, or closed by the target
            number = os.memfd_create("soak")
        os.close(number)
        return number

    def _open(self, args: Any) -> None:
        path, mode, flags = args
        if isinstance(path, int):
            if self._affordable():
                self.fds[path] = (self.chain(), os.fstat(path).st_ino, self.clock())
            return
        path = os.fsdecode(path)
        if path.endswith((".pyc", ".py")) and mode is not None:
            return  # an import
        if not self._affordable():
            return
        chain, now = self.chain(), self.clock()
        self.fds[self._next_fd()] = (chain, path, now)
        if flags & os.O_CREAT:
            self._maybe_tmp(path, chain, now)

    def _mmap(self, args: Any) -> None:
        """A mapping keeps a duplicate of its descriptor, and that of shared memory was opened without an event."""
        number = args[0]
        if number < 0 or not self._affordable():
            return
        chain, inode, now = self.chain(), os.fstat(number).st_ino, self.clock()
        link, born = os.readlink(f"/proc/self/fd/{number}"), self.fds.get(number)
        unseen = born is None or born[1] not in (inode, link)
        if unseen:
            self.fds[number] = (chain, inode, now)
        self.fds[self._next_fd()] = (chain, inode, now)
        if unseen and not _is_known(born, link) and _creates(sys._getframe(2)):
            self._maybe_tmp(link, chain, now)

    def _maybe_tmp(self, path: str, chain: Chain, now: float) -> None:
        path = os.path.abspath(path)
        if path.startswith(TMP):
            self.temporary.add(path, chain, now)

    def _made(self, path: str) -> None:
        if path not in self.temporary:
            self.temporary.add(path, self.chain() if self._affordable() else (), self.clock())

    def _tempfile(self, args: Any) -> None:
        """Whoever makes a file by `tempfile` calls it temporary, whatever folder it is in."""
        self._made(os.path.abspath(os.fsdecode(args[0])))

    def _mkdir(self, args: Any) -> None:
        path = os.path.abspath(os.fsdecode(args[0]))
        if path.startswith(TMP):
            self._made(path)

    def _remove(self, args: Any) -> None:
        self.temporary.forget(os.fsdecode(args[0]))

    def _rename(self, args: Any) -> None:
        born = self.temporary.forget(os.fsdecode(args[0]))
        if born is not None:
            self._maybe_tmp(os.fsdecode(args[1]), *born)

    def _database(self, args: Any) -> None:
        path = os.path.abspath(os.fsdecode(args[0]))
        if len(self.databases) >= DATABASES:
            self.databases.clear()
        if self._affordable():
            self.databases[path] = (self.chain(), self.clock())
        if path.startswith(TMP) and not os.path.lexists(path):  # SQLite makes it without an event
            self._made(path)

    def _socket(self, args: Any) -> None:
        if not self._affordable():
            return
        made, chain, now = args[0], self.chain(), self.clock()
        if len(self.socks) > OBJECTS:
            self.socks = {key: born for key, born in self.socks.items() if born[0]() is not None}
        try:
            self.socks[id(made)] = (self.ref(made), chain, now)
        except TypeError:  # a bare socket of the C module cannot be referred to weakly
            self.fds[self._next_fd()] = (chain, "socket:", now)

    def _child(self, name: str, made: Any = None) -> list[Any]:
        if len(self.forks) >= FORKS:
            del self.forks[: FORKS // 2]
        begun, chain = self.boot_clock(7), self.chain()  # CLOCK_BOOTTIME, the axis of start times in /proc
        event = [begun, begun + CHILD_SLACK, name, chain, made]
        self.forks.append(event)
        self._claim_pipes(chain)
        return event

    def forked(self) -> None:
        """In the parent, once a fork has returned: the child has begun by now, however long that took."""
        event = self.forking.pop(self.ident(), None)
        if event is not None:
            event[1] = max(event[1], self.boot_clock(7))

    def take_forks(self) -> list[list[Any]]:
        """The children that were made since the last call; one that is just being made is given again by the next."""
        events, self.forks = self.forks, list(self.forking.values())
        return events

    def _claim_pipes(self, chain: Chain) -> None:
        """Pipes and terminals are made without an event; those just made for a child are at the end of the numbers."""
        following, now = self._next_fd(), self.clock()
        for number in range(max(3, following - CLAIMED), following):
            facts = _facts(number)
            if facts is not None and facts.st_mode & 0o170000 in (0o010000, 0o020000):  # a pipe, a character device
                born = self.fds.get(number)
                if born is None or born[1] != facts.st_ino:
                    self.fds[number] = (chain, facts.st_ino, now)

    def _popen(self, args: Any) -> None:
        owner = sys._getframe(2).f_locals.get("self")  # Popen._execute_child
        self._child(os.path.basename(os.fsdecode(args[0])), None if owner is None else self.ref(owner))

    def _spawn(self, args: Any) -> None:
        if sys._getframe(2).f_code.co_name != "_posix_spawn":  # subprocess said so already
            self._child(os.path.basename(os.fsdecode(args[0])))

    def _fork(self, args: Any) -> None:
        self.forking[self.ident()] = self._child("")

    def _forkpty(self, args: Any) -> None:
        self._fork(args)
        self.fds[self._next_fd()] = (self.chain(), "ptmx", self.clock())


def _is_known(born: Any, link: str) -> bool:
    """Whether a descriptor's file has no name any more, or was opened with an event: then it was seen being made."""
    opened = born is not None and isinstance(born[1], str) and os.path.basename(born[1]) == os.path.basename(link)
    return opened or link.endswith(" (deleted)")


def _creates(frame: Any) -> bool:
    """False for shared memory of multiprocessing to which `frame` only attaches: another process made it."""
    return not frame.f_code.co_filename.endswith("/shared_memory.py") or bool(frame.f_locals.get("create", True))


def _facts(number: int) -> os.stat_result | None:
    try:
        return os.fstat(number)
    except OSError:
        return None


def _install() -> None:
    """The hook, once in the life of the process: it cannot be removed, and a second agent uses the first one's."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook(_handlers.get, OWN_THREADS, load("_thread").get_ident, load("time").monotonic))


def installed() -> bool:
    """Whether this process has our audit hook."""
    return _installed


def _hook(find: Any, own: set[int], ident: Any, clock: Any) -> Any:
    timed, shut, limited = _timed, _shut, LIMITED

    def hook(event: str, args: Any) -> None:
        handler = find(event)
        if handler is not None:
            begun = clock()
            if (begun < shut[0] and event in limited) or ident() in own:
                return
            try:
                handler(args)
            except Exception:  # an exception here would abort what the target is doing
                pass
            spent = clock() - begun
            timed[0] += 1
            timed[1] += spent if spent < LONGEST else LONGEST

    return hook
