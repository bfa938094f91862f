"""What only the variables of a running or waiting function hold is told as held by that function, and stays theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conftest import Guest
from .test_holders import ask

WAITING = """
import asyncio, sys
class Message: pass
class Row: pass
def rows():
    kept = []
    while True:
        kept.append(Row())
        yield kept
async def consume(queue):
    seen, answers = {}, {}
    while True:
        number = await queue.get()
        seen[number] = Message()
        answers["answer " + str(number)] = "x" * 100
        queue.task_done()
async def stop(word):
    print(word, flush=True)
    if not await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline): sys.exit()
async def serve():
    queue, feed = asyncio.Queue(), rows()
    worker = asyncio.create_task(consume(queue))
    for word, first in (("ready", 0), ("more", 200)):
        for number in range(first, first + 200):
            queue.put_nowait(number)
            next(feed)
        await queue.join()
        await stop(word)
asyncio.run(serve())
"""

RUNNING = """
import sys, threading, weakref
class OfThread: pass
class OfMain: pass
class Large: pass
WORDS = "{0}.{1}".format(*sys.version_info)
ready, seen = threading.Semaphore(0), []
def work():
    mine, large = [], Large()
    seen.append(weakref.ref(large))
    while True:
        mine.extend(OfThread() for _ in range(200))
        ready.release()
        turn.acquire()
        large = None
turn = threading.Semaphore(0)
def main():
    kept = [OfMain() for _ in range(200)]
    threading.Thread(target=work, daemon=True).start()
    while True:
        ready.acquire()
        print(WORDS, seen[0]() is not None, flush=True)
        if not sys.stdin.readline(): break
        kept.extend(OfMain() for _ in range(200))
        turn.release()
main()
"""

LENT = """
import asyncio, sys, threading
class OfMain: pass
class OfCoroutine: pass
class OfFailure: pass
async def answer(cache, done): await done.wait()
async def serve():
    cache, done = [OfCoroutine() for _ in range(20)], asyncio.Event()
    tasks = []
    for _ in range(3): tasks.append(asyncio.create_task(answer(cache, done)))
    await asyncio.sleep(0)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(getattr(sys.modules.get("_soak_objgraph"), "gc", "no walk"), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
def render(table): asyncio.run(serve())
def handle(table): render(table)
errors = []
def fail():
    rows = [OfFailure() for _ in range(20)]
    raise ValueError
def main():
    kept = [OfMain() for _ in range(20)]
    try: fail()
    except ValueError as error: errors.append(error)
    handle(kept)
main()
"""


def test_a_coroutine_and_a_generator_hold_what_they_keep(launch: Callable[..., Guest], python: str) -> None:
    """Nothing else does: no module leads to the variables of a function that waits."""
    guest = launch(WAITING, python=python)
    assert guest.line() == "ready"
    assert ask(guest) == []
    assert guest.go() == "more"
    paths = {(path[0], path[1].partition(" ")[0]) for _, growth, path in ask(guest) if growth == 200}
    assert {("running consume in __main__", "dict"), ("running rows in __main__", "list")} <= paths


def test_a_table_of_strings_in_a_coroutine_is_found(launch: Callable[..., Guest], python: str) -> None:
    """Before 3.14 the collector does not list it, but what waits refers to it: both tables of `consume` are told."""
    guest = launch(WAITING, python=python)
    assert guest.line() == "ready"
    ask(guest)
    guest.go()
    tables = [path for kind, growth, path in ask(guest) if kind == "dict" and growth == 200]
    assert len(tables) == 2
    assert {path[0] for path in tables} == {"running consume in __main__"}


def test_threads_and_the_main_function(launch: Callable[..., Guest], python: str) -> None:
    """Told where the interpreter can be asked without a trace: up to 3.10, and with their names from 3.13 on."""
    guest = launch(RUNNING, python=python)
    version, _ = guest.line().split()
    types = ("__main__.OfThread", "__main__.OfMain")
    paths = {path[:2] for _, _, path in ask(guest, *types)}
    assert paths == expected(tuple(map(int, version.split("."))))


def expected(version: tuple[int, ...]) -> set[tuple[str, str]]:
    """The beginnings of the paths to what the two functions hold."""
    if (3, 11) <= version < (3, 13):
        return set()
    mine, kept = ("list mine", "list kept") if version >= (3, 13) else ("list", "list")
    return {("running work in __main__", mine), ("running main in __main__", kept)}


def test_the_owner_is_told_and_not_who_was_lent_it(launch: Callable[..., Guest], python: str) -> None:
    """An argument belongs to the caller, who has it longer: of functions and of coroutines."""
    guest = launch(LENT, python=python)
    assert guest.line() == "ready"
    roots = {path[-1]: path[0] for _, _, path in ask(guest, "__main__.OfMain", "__main__.OfCoroutine")}
    assert roots.pop("__main__.OfCoroutine") == "running serve in __main__"
    assert set(roots.values()) <= {"running main in __main__"}


def test_a_function_that_ended_is_not_running(launch: Callable[..., Guest], python: str) -> None:
    """Its frame lives in a stored exception: the path begins at who stores that."""
    guest = launch(LENT, python=python)
    assert guest.line() == "ready"
    paths = {path for _, _, path in ask(guest, "__main__.OfFailure")}
    assert {path[:3] for path in paths} == {("module __main__", "list errors", "ValueError")}
    assert all("frame of fail in __main__" in path for path in paths)


def test_what_was_looked_at_is_let_go_of(launch: Callable[..., Guest], python: str) -> None:
    """The walk's library stays loaded, and nothing of the walk in it."""
    guest = launch(LENT, python=python)
    assert guest.line() == "ready"
    ask(guest, "__main__.OfMain", "__main__.OfCoroutine")
    assert guest.go() == "None"


def test_nothing_stays_in_a_frame_that_was_looked_at(launch: Callable[..., Guest], python: str) -> None:
    """What a function gives up afterwards is gone: no copy of its variables keeps it."""
    guest = launch(RUNNING, python=python)
    assert guest.line().endswith("True")
    ask(guest, "__main__.OfThread", "__main__.OfMain", "__main__.Large")
    assert guest.go().endswith("False")


def test_the_agents_own_functions_hold_nothing(launch: Callable[..., Guest], python: str) -> None:
    """The walk itself has everything in its variables."""
    guest = launch(RUNNING, python=python)
    guest.line()
    told: Any = ask(guest, "__main__.OfThread", "__main__.OfMain", "__main__.Large", "_thread.lock", "threading.Thread")
    assert "soak" not in str(told)
