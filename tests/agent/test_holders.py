"""Retention paths lead from what grew to the variable that holds it, within their deadline and without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from soak_probes.agent_client import AgentError

from .conftest import WALK_S, Guest

LEAKING = """
import collections, sys, threading
class Session:
    def __init__(self, number): self.number = number
class Slotted:
    __slots__ = ("inner", "other")
    def __init__(self, number): self.inner = Row(number)
class Row(Session): pass
class Registry:
    known = collections.deque()
    def __init__(self): self.by_key = {}
_CACHE, TEXTS, REGISTRY = {}, [], Registry()
bounded = collections.deque(range(1000), maxlen=1000)
def leak(count):
    for number in range(count):
        _CACHE["token-" + str(len(_CACHE))] = [Session(number)]
        REGISTRY.by_key["password" + str(len(REGISTRY.by_key))] = Slotted(number)
        TEXTS.append("x" * 100)
        bounded.append(number)
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline(): sys.exit()
leak(200)
stop("ready")
leak(300)
stop("more")
"""


def ask(guest: Guest, *types: str, **more: Any) -> list[tuple[str, int | None, tuple[str, ...]]]:
    """Rows of the reply as tuples."""
    reply = guest.client.holders(guest.pid, types, **{"deadline": WALK_S, **more})
    return [(row["type"], row["growth"], tuple(row["path"])) for row in reply["holders"]]


def test_instances_are_followed_to_the_variable_that_holds_them(launch: Callable[..., Guest], python: str) -> None:
    """Through a dict in a module, and through slots and attributes of objects that a module holds."""
    guest = launch(LEAKING, python=python)
    assert guest.line() == "ready"
    paths = {path for _, _, path in ask(guest, "__main__.Session", "__main__.Row")}
    assert ("module __main__", "dict _CACHE", "list", "__main__.Session") in paths
    slotted = ("__main__.Slotted", "__main__.Row inner")
    assert ("module __main__", "__main__.Registry REGISTRY", "dict by_key", *slotted) in paths


def test_containers_that_grew_are_found_without_naming_a_type(launch: Callable[..., Guest], python: str) -> None:
    """Strings are unknown to gc: the list that holds them is found by its growth; a bounded deque is not accused."""
    guest = launch(LEAKING, python=python)
    assert guest.line() == "ready"
    assert ask(guest) == []
    assert guest.go() == "more"
    rows = ask(guest)
    assert ("list", 300, ("module __main__", "list TEXTS")) in rows
    assert ("dict", 300, ("module __main__", "dict _CACHE")) in rows
    assert "bounded" not in str(rows)


def test_keys_are_never_told(launch: Callable[..., Guest]) -> None:
    """Dictionary keys may be tokens: none of them is in a reply."""
    guest = launch(LEAKING)
    assert guest.line() == "ready"
    assert ask(guest) == []
    assert guest.go() == "more"
    reply = guest.client.holders(guest.pid, ["__main__.Session", "__main__.Row"], deadline=WALK_S)
    held = {step for row in reply["holders"] for step in row["path"]}
    assert {"dict _CACHE", "dict by_key"} <= held
    told = json.dumps(reply)
    assert "token" not in told
    assert "password" not in told


def test_class_variables_are_roots(launch: Callable[..., Guest], python: str) -> None:
    """What a class holds is told as such; functions that run or wait: test_running.py."""
    source = """
    import sys
    class OfClass: pass
    class Owner: kept = [OfClass()]
    print("ready", flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    paths = {path for _, _, path in ask(guest, "__main__.OfClass")}
    assert paths == {("class __main__.Owner", "list kept", "__main__.OfClass")}


def test_the_deadline_ends_the_walk(launch: Callable[..., Guest]) -> None:
    """With no time at all nothing is followed and `late` says so."""
    guest = launch(LEAKING)
    assert guest.line() == "ready"
    reply = guest.client.holders(guest.pid, ["__main__.Session"], deadline=0.0)
    assert (reply["holders"], reply["late"]) == ([], True)


def test_without_objgraph_it_is_an_answer(launch: Callable[..., Guest]) -> None:
    """A path where no objgraph is gives an error and leaves the agent at work."""
    guest = launch(LEAKING)
    assert guest.line() == "ready"
    with pytest.raises(AgentError, match="nowhere"):
        guest.client.request(guest.pid, "holders", objgraph="/nowhere/objgraph.py")
    assert guest.client.connect(guest.pid) is not None


def test_the_walk_leaves_no_public_module_behind(launch: Callable[..., Guest], python: str) -> None:
    """objgraph asks for inspect, re, subprocess and more: none of them appears in the target."""
    source = """
    import sys
    public = {name for name in sys.modules if not name.startswith("_")}
    kept = [object() for _ in range(100)]
    print("ready", flush=True)
    sys.stdin.readline()
    print(sorted({name for name in sys.modules if not name.startswith("_")} - public), flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    ask(guest, "function")
    assert guest.go() == "[]"


PASSING = """
import asyncio, sys, weakref
class Job: pass
class Kept: pass
async def work(job):
    kept = Kept()
    LIVING.append(kept)
    frame = sys._getframe()
    print("ready", flush=True)
    sys.stdin.readline()
LIVING = []
known = weakref.WeakSet()
async def main():
    job = Job()
    known.add(job)
    await asyncio.create_task(work(job))
asyncio.run(main())
"""


def test_what_holds_only_for_the_moment_is_not_told(launch: Callable[..., Guest], python: str) -> None:
    """The running task and its frame hold what a list of the module holds too: the list is told, as it lasts."""
    guest = launch(PASSING, python=python)
    assert guest.line() == "ready"
    rows = {kind: path for kind, _, path in ask(guest, "__main__.Kept", "__main__.Job")}
    assert rows["__main__.Kept"] == ("module __main__", "list LIVING", "__main__.Kept")
    assert not any("_current_tasks" in step or "Weak" in step for path in rows.values() for step in path)
