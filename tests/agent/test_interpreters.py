"""Interpreters with a GIL of their own beside the target's: frames of their threads are not asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Guest

READINGS = 200  # a reading in twenty to fifty ended the process; 3.12 and 3.13

BUSY = """
import sys, threading
try: import _interpreters
except ImportError:
    try: import _xxsubinterpreters as _interpreters
    except ImportError: _interpreters = None
WORK = '''
def inner(n):
    a = [object() for _ in range(5)]; b = {"x": a}; c = str(n) * 20; d = (c, b)
    return inner(n - 1) if n else d
i = 0
while True:
    i += 1
    inner(i % 20)
'''
def run():
    made = _interpreters.create()
    if hasattr(_interpreters, "exec"): _interpreters.exec(made, WORK)
    else: _interpreters.run_string(made, WORK)
class Row: pass
def main():
    kept = [Row() for _ in range(200)]
    for _ in range(2): threading.Thread(target=run, daemon=True).start()
    while len(_interpreters.list_all()) < 3: pass
    print("ready", flush=True)
    sys.stdin.readline()
if _interpreters is None or sys.version_info < (3, 12): print("none", flush=True)
else: main()
"""


def test_a_target_with_interpreters_of_its_own_lives_on(launch: Callable[..., Guest], python: str) -> None:
    """To ask for all frames while they run would end it; a reading says that nobody asked."""
    guest = launch(BUSY, python=python)
    if guest.line() == "none":
        pytest.skip("before 3.12 all interpreters share one GIL")
    for _ in range(READINGS):
        reading = guest.read(collect=False, native=False)
    assert reading["threads"] is None
    assert any("interpreters" in warning for warning in reading["warnings"])
    assert guest.client.holders(guest.pid, ["__main__.Row"])["late"] is False
    assert guest.process.poll() is None
