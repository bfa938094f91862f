"""The socket is private, bounded and patient with nonsense."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from soak_agent import wire
from soak_probes.agent_client import AgentClient, AgentError
from tests.common import PATIENCE_S

from .conftest import Guest

READY = "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\n"


@pytest.fixture
def guest(launch: Callable[..., Guest]) -> Guest:
    """A target that waits."""
    guest = launch(READY)
    assert guest.line() == "ready"
    return guest


def ask(path: Path, data: bytes) -> bytes:
    """Send bytes, read until the agent closes or a line is complete."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(data)
        received = b""
        while not received.endswith(b"\n"):
            part = connection.recv(65536)
            if not part:
                break
            received += part
        return received


def test_nonsense_closes_the_connection_and_nothing_else(guest: Guest, tmp_path: Path) -> None:
    """Bytes that are no JSON, a line without end, a value that is no object are cut off; the next asker is served."""
    path = tmp_path / "agent" / f"{guest.pid}.sock"
    for data in (b"not json\n", b"[1]\n", b"\xff\xfe\n", b"x" * (wire.MAX_REQUEST + 1)):
        with contextlib.suppress(ConnectionError):
            assert ask(path, data) == b""
    assert guest.client.connect(guest.pid) is not None
    assert guest.errors() == ""


def test_an_unknown_operation_is_an_answer(guest: Guest, tmp_path: Path) -> None:
    """The reply says what was asked and keeps the request's number."""
    reply = json.loads(ask(tmp_path / "agent" / f"{guest.pid}.sock", b'{"v": 1, "id": 9, "op": "dance"}\n'))
    assert (reply["ok"], reply["id"]) == (False, 9)
    with pytest.raises(AgentError, match="dance"):
        guest.client.request(guest.pid, "dance")


def test_other_users_are_turned_away(launch: Callable[..., Guest], tmp_path: Path) -> None:
    """A peer of another user is not answered, even when it can reach the socket."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user to try")
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        (tmp_path / "agent").symlink_to(open_to_all)
        guest = launch(READY)
        assert guest.line() == "ready"
        assert guest.client.connect(guest.pid) is not None
        path = Path(open_to_all) / f"{guest.pid}.sock"
        path.parent.chmod(0o711)
        path.chmod(0o666)
        code = (
            "import os, socket\nos.setgid(65534); os.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\n"
            f"s.connect({str(path)!r})\n"
            'try:\n s.sendall(b\'{"op": "hello"}\\n\')\n print(len(s.recv(100)))\nexcept OSError: print(0)\n'
        )
        done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "0\n"


def test_a_client_never_waits_longer_than_told(tmp_path: Path) -> None:
    """A socket that never answers ends in AgentError after the timeout; a dead one at once, and its name goes."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "7.sock"))
        silent.listen(1)
        client = AgentClient(tmp_path)
        with pytest.raises(AgentError, match=r"within 0\.1 s"):
            client.request(7, "hello", timeout=0.1)
        client.close()
    assert client.pids() == [7]
    assert client.connect(7) is None
    assert client.pids() == []
    with pytest.raises(AgentError, match="no agent in process 8"):
        client.begin(8, "hello")


def test_a_dead_socket_that_cannot_be_removed_is_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ProtectSystem=strict another unit's folder may only be read: a worker that ended is no end of a run."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "7.sock"))

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert AgentClient(tmp_path).connect(7) is None


def test_the_client_finds_the_agent_again_after_it_restarted(guest: Guest) -> None:
    """A connection that broke is made anew for the next request, which is answered."""
    assert guest.client.connect(guest.pid) is not None
    guest.client._connections[guest.pid].shutdown(socket.SHUT_RDWR)
    assert guest.client.request(guest.pid, "hello", timeout=PATIENCE_S)["pid"] == guest.pid


def test_a_connection_that_breaks_in_a_request_is_made_anew_for_the_next(guest: Guest) -> None:
    """What was asked may have been done: it is an error and not asked again; the same process answers the next."""
    assert guest.client.connect(guest.pid) is not None
    guest.client._connections[guest.pid].shutdown(socket.SHUT_RD)  # the question goes out, no answer comes back
    with pytest.raises(AgentError, match="closed the connection"):
        guest.client.request(guest.pid, "hello", timeout=PATIENCE_S)
    assert guest.client.request(guest.pid, "hello", timeout=PATIENCE_S)["pid"] == guest.pid


def test_long_folder_names_work(launch: Callable[..., Guest], tmp_path: Path) -> None:
    """A folder longer than a socket address may be (107 bytes) is reached through its descriptor."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    (tmp_path / "agent").symlink_to(deep)
    deep.chmod(0o700)
    guest = launch(READY)
    assert guest.line() == "ready"
    assert guest.client.connect(guest.pid) is not None


VALUES = [None, True, False, 0, -1, 2**70, 1.5, "", 'é\u2028\x00"\\', [], [1, [2]], {}, {"a": {"b": [None]}}, (1, 2)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_the_wire_is_json(value: object) -> None:
    """What is written reads back the same, by the standard library and by ourselves."""
    line = wire.encode(value)
    expected = list(value) if isinstance(value, tuple) else value
    assert json.loads(line) == wire.decode(line) == expected
    assert "\n" not in line


def test_numbers_that_json_has_not_become_null() -> None:
    """NaN and infinity are null, as the contract asks."""
    assert wire.encode([float("nan"), float("inf"), 1.0]) == "[null,null,1.0]"
    assert wire.encode([[[{"a": float("nan")}, 2.5]]]) == '[[[{"a":null},2.5]]]'


def test_keys_that_json_has_not_become_text() -> None:
    """A number as a key is written in quotes, whatever the depth; so is a tuple."""
    assert wire.encode({1: [{2: {(3, 4): None}}]}) == '{"1":[{"2":{"(3, 4)":null}}]}'
