"""Under the servers people run: gunicorn with pre-forked and gevent workers, uvicorn with uvloop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import soak_agent
from soak_probes.agent_client import AgentClient
from tests.common import PATIENCE_S, free_port, wait_until

pytestmark = pytest.mark.slow

APP = """
import os, socket, threading
kept = []
def leak_socket():
    kept.append(socket.socket())
def leak_fd():
    kept.append(os.open("/etc/hosts", os.O_RDONLY))
def leak_object():
    kept.append({"rows": ["x" * 100 for _ in range(100)]})
def app(environ, start_response):
    leak_socket(); leak_fd(); leak_object()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
ASGI = """
import asyncio, os
kept = []
async def forever():
    await asyncio.sleep(3600)
def leak_task():
    kept.append(asyncio.get_running_loop().create_task(forever()))
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    leak_task()
    kept.append(os.open("/etc/hosts", os.O_RDONLY))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the servers, for this session; skipped by name when they cannot be installed."""
    home = tmp_path_factory.mktemp("servers")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    wanted = ["gunicorn", "gevent", "packaging", "uvicorn", "uvloop"]
    done = subprocess.run([home / "bin/pip", "install", "-q", *wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{', '.join(wanted)} cannot be installed here: {done.stderr[-200:]}")
    return home


class Served:
    """A server under the agent, and what its workers answer."""

    def __init__(self, port: int, client: AgentClient) -> None:
        self.port = port
        self.client = client

    def get(self) -> int:
        """One request; the pid of the worker that answered."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as reply:
                    return int(reply.read())
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def count(self, pid: int, kind: str, function: str) -> int:
        """Handles of `kind` in a worker that were born under `function`."""
        rows = self.client.request(pid, "read")["handles"]
        return sum(row["count"] for row in rows if row["kind"] == kind and any(f[2] == function for f in row["stack"]))


@pytest.fixture
def serve(servers: Path, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start a server of the environment with the agent in it."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **settings: Any) -> Served:
        (tmp_path / "app.py").write_text(APP)
        (tmp_path / "asgi.py").write_text(ASGI)
        port = free_port()
        variables = {**os.environ, **soak_agent.environment(tmp_path / "agent", **settings)}
        words = [word.replace("PORT", str(port)) for word in command]
        process = subprocess.Popen([str(servers / "bin" / words[0]), *words[1:]], cwd=tmp_path, env=variables)
        running.append(process)
        return Served(port, AgentClient(tmp_path / "agent"))

    yield start
    for process in running:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_each_gunicorn_worker_names_its_own_leaks(serve: Callable[..., Served], worker: str) -> None:
    """Two pre-forked workers of each kind: sockets and descriptors stand under the function that made them."""
    served = serve("gunicorn", "-w", "2", "-k", worker, "-b", "127.0.0.1:PORT", "app:app", heap="auto")
    hits: dict[int, int] = {}
    for _ in range(30):
        pid = served.get()
        hits[pid] = hits.get(pid, 0) + 1
    for pid, count in hits.items():
        assert served.count(pid, "socket", "leak_socket") == count
        assert served.count(pid, "fd", "leak_fd") == count


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_uvicorn_names_tasks_on_either_loop(serve: Callable[..., Served], loop: str) -> None:
    """Tasks left behind are counted from the first, and stand under their maker once one was seen left over."""
    served = serve("uvicorn", "--port", "PORT", "--loop", loop, "--log-level", "error", "asgi:app", heap="auto")
    pid = served.get()
    served.client.request(pid, "read")
    before = served.client.request(pid, "read")["tasks"]
    for _ in range(10):
        served.get()
    assert served.count(pid, "task", "leak_task") == 10
    assert served.client.request(pid, "read")["tasks"] - before == 10
    assert served.count(pid, "fd", "app") >= 11


def test_uvicorn_workers_answer_each_for_itself(serve: Callable[..., Served]) -> None:
    """Workers that uvicorn spawns have an agent too, the two seconds after they began at the latest."""
    served = serve("uvicorn", "--port", "PORT", "--workers", "2", "--log-level", "error", "asgi:app")
    pid = served.get()
    hello = wait_until(lambda: served.client.connect(pid))
    assert isinstance(hello, dict)
    assert hello["pid"] == pid
