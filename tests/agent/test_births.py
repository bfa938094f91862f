"""Every kind of handle is counted while it lives, under the function that made it, and no longer when it is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Guest

HEAD = """
import asyncio, multiprocessing, os, pty, socket, sqlite3, subprocess, sys, tempfile, threading, time
kept = []
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline():
        os._exit(0)
"""
KINDS = {
    "file": ("fd", "return open('/etc/hosts')", "thing.close()"),
    "os.open": ("fd", "return os.open('/etc/hosts', os.O_RDONLY)", "os.close(thing)"),
    "pty": ("fd", "pid, thing = pty.fork()\n    if not pid: os._exit(0)\n    os.waitpid(pid, 0)\n    return thing",
            "os.close(thing)"),
    "mmap": ("fd", "import mmap\n    with open('/etc/hosts') as file:\n"
             "        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)", "thing.close()"),
    "shared memory": ("fd", "from multiprocessing.shared_memory import SharedMemory\n"
                      "    block = SharedMemory(create=True, size=9000); block.unlink(); return block",
                      "thing.close()"),
    "sqlite": ("fd", "return sqlite3.connect(os.path.join(os.getcwd(), 'a.db'))", "thing.close()"),
    "socket": ("socket", "return socket.socket()", "thing.close()"),
    "accepted": ("socket", "a = socket.create_server(('127.0.0.1', 0))\n"
                 "    b = socket.create_connection(a.getsockname())\n    return [a, b, a.accept()[0]]",
                 "[one.close() for one in thing]"),
    "zombie": ("child", "return subprocess.Popen(['/bin/true'])", "thing.wait()"),
    "child": ("child", "return subprocess.Popen(['/bin/sleep', '600'])", "thing.kill(); thing.wait()"),
    "fork": ("child", "pid = os.fork()\n    if not pid: time.sleep(600)\n    return pid",
             "os.kill(thing, 9); os.waitpid(thing, 0)"),
    "thread": ("thread", "thing = threading.Event(); thread = threading.Thread(target=thing.wait); thread.start()"
               "\n    return [thing, thread]", "thing[0].set(); thing[1].join()"),
    "mkstemp": ("tmp_file", "return tempfile.mkstemp()[1]", "os.remove(thing)"),
    "mkdtemp": ("tmp_file", "return tempfile.mkdtemp()", "os.rmdir(thing)"),
    "renamed": ("tmp_file", "path = tempfile.mkstemp()[1]; os.rename(path, path + '.x'); return path + '.x'",
                "os.remove(thing)"),
}  # fmt: skip


@pytest.mark.parametrize("what", KINDS)
def test_a_handle_is_seen_where_it_was_made_while_it_lives(
    launch: Callable[..., Guest], python: str, what: str
) -> None:
    """Three are made, all three are under the function that made them; when released none is left."""
    kind, make, release = KINDS[what]
    each = {"accepted": 3, "shared memory": 2}.get(what, 1)
    source = HEAD + (
        f"def culprit():\n    {make}\n"
        "stop('ready')\n"
        "kept += [culprit() for _ in range(3)]\n"
        "stop('made')\n"
        f"for thing in kept: {release}\n"
        "stop('released')\n"
    )
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    assert "culprit" not in guest.handles(kind)
    assert guest.go() == "made"
    assert guest.handles(kind).get("culprit") == 3 * each
    assert guest.handles(kind).get("culprit") == 3 * each  # and again: what a reading resolved it keeps
    assert guest.go() == "released"
    assert "culprit" not in guest.handles(kind)


TASKS = (
    HEAD
    + """
async def forever():
    await asyncio.sleep(3600)
def culprit(loop):
    kept.append(loop.create_task(forever()))
async def opens():
    kept.append(socket.socket())
async def child_task():
    await asyncio.create_task(opens())
async def main():
    for _ in range(3): culprit(asyncio.get_running_loop())
    await child_task()
    await child_task()
    await asyncio.sleep(0)
    stop('made')
    for _ in range(3): culprit(asyncio.get_running_loop())
    stop('more')
    for task in kept:
        if isinstance(task, asyncio.Task): task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stop('cancelled')
stop('ready')
asyncio.run(main())
"""
)


def test_tasks_are_seen_where_they_were_made(launch: Callable[..., Guest], python: str) -> None:
    """Once a task was left in a reading, others that run the same stand under the code that created them."""
    guest = launch(TASKS, python=python)
    assert guest.line() == "ready"
    assert guest.read()["tasks"] == 0
    assert guest.go() == "made"
    reading = guest.read()
    assert reading["tasks"] == 4
    first = [row for row in reading["handles"] if row["kind"] == "task" and row["count"] == 3]
    assert [frame[2] for frame in first[0]["stack"]] == ["forever"]
    assert guest.go() == "more"
    reading = guest.read()
    assert reading["tasks"] == 7
    rows = [row for row in reading["handles"] if row["kind"] == "task"]
    mine = [row for row in rows if any(frame[2] == "culprit" for frame in row["stack"])]
    assert [row["count"] for row in mine] == [3]
    assert mine[0]["detail"]["states"] == {"forever": 3}
    assert "sleep" in first[0]["detail"]["example"]  # where it waits: these have run, the others not yet
    assert guest.go() == "cancelled"
    assert guest.read()["tasks"] == 1


def test_a_handle_made_in_a_task_leads_back_to_who_made_the_task(launch: Callable[..., Guest], python: str) -> None:
    """The stack of a socket opened in a task goes on with the stack in which that task was created."""
    guest = launch(TASKS, python=python)
    assert guest.line() == "ready"
    assert guest.go() == "made"
    stacks = [[frame[2] for frame in row["stack"]] for row in guest.read()["handles"] if row["kind"] == "socket"]
    assert any("child_task" in stack and "opens" in stack for stack in stacks)


def test_a_socket_closed_by_its_peer_says_so(launch: Callable[..., Guest]) -> None:
    """The state of the connection and its peer are in the detail."""
    source = (
        HEAD
        + """
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
peer.close()
stop("ready")
"""
    )
    guest = launch(source)
    assert guest.line() == "ready"
    details = [row["detail"] for row in guest.read()["handles"] if row["kind"] == "socket"]
    waiting = [detail for detail in details if "CLOSE_WAIT" in detail["states"]]
    assert len(waiting) == 1
    assert "127.0.0.1" in waiting[0]["example"]


DEEP = (
    HEAD
    + """
exec(compile("def dive(steps, make): return dive(steps - 1, make) if steps else make()", "/app/client.py", "exec"))
async def opens():
    return socket.socket()
def culprit():
    return dive(40, socket.socket)
def far():
    return dive(60, socket.socket)
def loop():
    return dive(60, lambda: asyncio.run(opens()))
stop("ready")
for make in (culprit, far, loop):
    kept[:] = [make()]
    stop("made")
"""
)


def test_the_application_above_a_deep_client_library_is_in_the_stack(launch: Callable[..., Guest], python: str) -> None:
    """Forty frames of a library below it; with sixty it is said that outer ones are missing, unless they run a loop."""
    guest = launch(DEEP, python=python)
    assert guest.line() == "ready"
    for name, cut in (("culprit", False), ("", True), ("opens", False)):
        assert guest.go() == "made"
        (row,) = [row for row in guest.read()["handles"] if row["kind"] == "socket"]
        names = [frame[2] for frame in row["stack"] if not frame[0].endswith("/socket.py")]
        if cut:
            assert set(names) == {"dive"}
        else:
            assert name in names
        assert row["detail"].get("cut", False) is cut
        assert not any("soak" in frame[0] for frame in row["stack"])


def test_temporary_files_are_counted_with_their_bytes(launch: Callable[..., Guest], python: str) -> None:
    """tmp_files and tmp_bytes are of files the target made and that still exist."""
    source = (
        HEAD
        + """
path = tempfile.mkstemp()[1]
open(path, "w").write("x" * 1000)
stop("made")
os.remove(path)
stop("removed")
"""
    )
    guest = launch(source, python=python)
    assert guest.line() == "made"
    reading = guest.read()
    assert (reading["tmp_files"], reading["tmp_bytes"]) == (1, 1000)
    assert guest.go() == "removed"
    reading = guest.read()
    assert (reading["tmp_files"], reading["tmp_bytes"]) == (0, 0)


def test_a_small_group_that_grows_is_sent_beside_many_large_ones(launch: Callable[..., Guest]) -> None:
    """Sixty places hold three descriptors each; the one that grows from none to two is among those sent."""
    source = (
        HEAD
        + """
namespace = dict(kept=kept)
for n in range(60):
    lines = "\\n" * n + f"def place{n}():\\n for _ in range(3): kept.append(open('/etc/hosts'))\\n"
    exec(compile(lines, f"/app/{n}/target.py", "exec"), namespace)
    namespace[f"place{n}"]()
stop("ready")
def culprit(): kept.append(open("/etc/hosts"))
culprit(); culprit()
stop("made")
"""
    )
    guest = launch(source)
    assert guest.line() == "ready"
    guest.read()
    assert guest.go() == "made"
    assert guest.handles("fd").get("culprit") == 2


def test_handles_can_be_left_alone(launch: Callable[..., Guest]) -> None:
    """With handles off no birth is noted; what lives is still counted."""
    guest = launch(HEAD + "def culprit(): kept.append(open('/etc/hosts'))\nculprit()\nstop('ready')\n", handles=False)
    assert guest.line() == "ready"
    assert "culprit" not in guest.handles("fd")
