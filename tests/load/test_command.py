"""`soak load` as a user calls it: dry, for real, with a target of its own, interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.common import accepts, free_port, wait_until
from tests.e2e.soaking import running
from tests.load.conftest import WireServer, hello

Serve = Callable[..., WireServer]
SOAK = [sys.executable, "-P", "-m", "soak"]
LOAD = """
[target]
url = "{url}"
{target}
[load]
cycle = "{cycle}s"
cycles = 1
{shape}
[[scenario]]
name = "read"
path = "/"
weight = 3
[[scenario]]
name = "write"
method = "POST"
path = "/"
json = {{ a = 1 }}
faults = {{ abandon = 0.5 }}
"""


SAWTOOTH = 'quiet = "0.5s"\nlow = 10\nhigh = 50'
LATER = 'quiet = "{quiet}s"\ntimeout = "{cycle}s"\nprofile = "steps"\nlevels = [0, 25]'


def configure(folder: Path, url: str, cycle: float = 1.5, shape: str = SAWTOOTH, target: str = "pid = 1") -> None:
    """Write a soak.toml."""
    (folder / "soak.toml").write_text(LOAD.format(url=url, cycle=cycle, shape=shape, target=target))


def loaded(folder: Path, url: str, target: str = "pid = 1") -> tuple[subprocess.CompletedProcess[str], Any]:
    """30 requests between 1.2 and 2.4 s, of which a worker that is slow to start drops none: output and report.

    Once more with a longer quiet part where the machine stood still for so long that requests were cut off by its end.
    """
    for quiet in (1, 10, 100):
        configure(folder, url, 2.4 + quiet, LATER.format(quiet=quiet, cycle=2.4 + quiet), target)
        done = soak_load(folder, "--json", "load.json")
        assert done.returncode == 0, done.stderr
        report = json.loads((folder / "load.json").read_text())
        if not report["total"]["faulted"].get("cut_off"):
            break
    return done, report


def soak_load(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*SOAK, "load", *arguments], cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


async def any_request(client: object) -> None:
    """Answers whatever comes, bodies of 7 bytes included."""
    await hello(client)  # type: ignore[arg-type]


def test_a_dry_run_sends_nothing_and_says_everything(tmp_path: Path, serve: Serve) -> None:
    """Sentence, drawing, number of requests, scenarios with their shares and faults; the target sees no client."""
    server = serve(hello)
    configure(tmp_path, server.url)
    done = soak_load(tmp_path, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "sawtooth: from 10 to 50 requests/s over 1 s, then quiet for 0.5 s" in done.stdout
    assert "#" in done.stdout
    assert "30 requests in 1 cycles" in done.stdout
    assert "read: http GET /, 75% of the arrivals" in done.stdout
    assert "write: http POST /, 25% of the arrivals; abandon 50%" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert not server.clients


def test_a_run_prints_a_table_and_writes_json(tmp_path: Path, serve: Serve) -> None:
    """What was due is accounted for once; latencies from the intended and from the actual time are in both."""
    done, report = loaded(tmp_path, serve(any_request).url)
    total = report["total"]
    assert report["schema"] == "soak.load/1"
    assert total["due"] == total["sent"] == 30
    assert total["errors"] == {} and set(total["faulted"]) == {"abandon"}
    assert total["landed"] + total["faulted"]["abandon"] == 30
    assert total["response_ms"]["p99"] >= total["response_ms"]["p50"] > 0
    assert [scenario["name"] for scenario in report["scenarios"]] == ["read", "write"]
    assert "from the intended time" in done.stdout
    assert "from the actual send time" in done.stdout
    assert "cycle 1/1" in done.stderr


SERVER = """
import http.server, sys
class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_POST = do_GET
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


def test_a_target_that_does_not_run_is_started_for_the_load(tmp_path: Path) -> None:
    """And is gone afterwards."""
    (tmp_path / "server.py").write_text(SERVER)
    port = free_port()
    target = f'command = ["{sys.executable}", "server.py", "{port}"]'
    _, report = loaded(tmp_path, f"http://127.0.0.1:{port}", target)
    assert report["total"]["landed"] > 0
    wait_until(lambda: not accepts(port))
    assert not [process for process in psutil.process_iter() if f"server.py {port}" in command_of(process)]


def command_of(process: psutil.Process) -> str:
    """Its command line; empty when it has gone meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_an_interrupted_run_says_what_it_did(tmp_path: Path, serve: Serve) -> None:
    """Ctrl-C ends it with 130, the table and the JSON."""
    server = serve(any_request)
    configure(tmp_path, server.url, cycle=600.0)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(tmp_path, "load", "--json", "load.json", text=True, **pipes) as process:
        wait_until(lambda: server.clients)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "landed" in out
    assert json.loads((tmp_path / "load.json").read_text())["total"]["sent"] >= 1


def test_a_folder_that_is_not_there_is_refused_before_the_load(tmp_path: Path, serve: Serve) -> None:
    """Not after an hour."""
    server = serve(hello)
    configure(tmp_path, server.url)
    done = soak_load(tmp_path, "--json", "nowhere/load.json")
    assert done.returncode == 2
    assert not server.clients
