"""A service that somebody else started: soak lets its agent in, names the line, and takes the agent out again."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from soak_probes import agent_attach
from tests.common import accepts, free_port, wait_until

from .soaking import GUEST, soak

CONFIG = """
[target]
name = "guest"
pid = {pid}
url = "http://127.0.0.1:{port}"
ready = "/health"
[load]
cycle = "4s"
cycles = 5
low = 5
high = 60
quiet = "1500ms"
[limits]
peak = "4GB"
[[scenario]]
name = "work"
path = "/work"
"""


@pytest.fixture
def service() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A leaking server and its port, started as anybody would, without an agent."""
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SOAK_", "PYTHON"))}
    process = subprocess.Popen([sys.executable, str(GUEST)], env={**clean, "PORT": str(port), "LEAK": "20000"})
    try:
        wait_until(lambda: accepts(port))
        yield process, port
    finally:
        process.kill()
        process.wait()


def inside(pid: int) -> tuple[int, list[str]]:
    """Threads and descriptors of a process; what is closed while it is looked at is left out."""
    folder = Path(f"/proc/{pid}")
    links = []
    for fd in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(fd.readlink()))
    return len(list((folder / "task").iterdir())), sorted(links)


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info < (3, 14) and agent_attach._injector() is None and agent_attach.shutil.which("gdb") is None,
    reason="neither pyinjector nor gdb is installed",
)
def test_the_leaking_line_of_a_running_service_is_named(
    service: tuple[subprocess.Popen[bytes], int], tmp_path: Path
) -> None:
    """Twice in a row: the line, how the agent got in and out, and a service that is afterwards as it was before."""
    process, port = service
    before = inside(process.pid)
    (tmp_path / "soak.toml").write_text(CONFIG.format(pid=process.pid, port=port))
    for _ in range(2):
        done = soak(tmp_path, "run", "--json", "report.json")
        assert done.report is not None, done.err
        finding = next(item for item in done.report["findings"] if item["kind"] == "growth")
        assert finding["sites"][0]["function"] == "remember", done.out
        assert "let into process" in done.report["observer"]["notes"][0]
        assert "what stays" in done.report["observer"]["notes"][1]
        wait_until(lambda: inside(process.pid) == before)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/work", timeout=5) as answer:
            assert answer.status == 200
