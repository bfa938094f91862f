"""Other people's generators: commands and locustfiles, with our load in their environment and their counts in ours."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from soak.load import LoadGenerator, LoadPlan, ScenarioPlan
from soak.load import external as external_module
from soak.load.engine import Engine
from soak.load.external import LEASH, ExternalRunner, environment_of
from tests.common import PATIENCE_S, wait_until
from tests.load.clock import LeapingClock
from tests.load.conftest import Client, WireServer, drive, hello

Serve = Callable[..., WireServer]

SCRIPT = """
import json, os, sys, time, urllib.request
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
print("not a report")
for _ in range(3):
    began = time.monotonic()
    urllib.request.urlopen(os.environ["SOAK_LOAD_URL"]).read()
    took = (time.monotonic() - began) * 1e3
    print(json.dumps({"requests": 1, "errors": {}, "response_ms": {str(took): 1}}), flush=True)
print(json.dumps({"requests": 2, "errors": {"status_500": 1, "refused": 1}}), flush=True)
print('{"requests": "many"}', flush=True)
open("seen", "w").write(os.environ["SOAK_LOAD_RATE"] + " " + sys.argv[1])
raise SystemExit(3)
"""


def external(tmp_path: Path, url: str, script: str, **values: object) -> LoadPlan:
    """A plan with one command: this Python, this script; far longer than it should take."""
    (tmp_path / "script.py").write_text(script)
    scenario = ScenarioPlan("tool", "command", command=(sys.executable, "script.py", "argument"))
    settings = {"cycle": 100.0, "cycles": 1, "quiet": 10.0, "low": 0.0, "high": 10.0, **values}
    return LoadPlan(url, (scenario,), folder=str(tmp_path), **settings)  # type: ignore[arg-type]


def test_the_reports_of_a_command_count(serve: Serve, tmp_path: Path) -> None:
    """The mean rate is in its environment; five requests, an unreadable report, and its exit code is an error."""
    outcome = drive(external(tmp_path, serve(hello).url, SCRIPT), until=lambda so_far: "exit_3" in so_far.errors)
    assert outcome.total("due") == 5
    assert outcome.total("landed") == 4
    assert outcome.counts("errors") == {"status_500": 1, "refused": 1, "unreadable_report": 1, "exit_3": 1}
    assert outcome.histogram("response").count == 3
    assert (tmp_path / "seen").read_text() == "5 argument"


def test_a_command_runs_once_in_each_cycle(tmp_path: Path) -> None:
    """Three cycles: cycle by cycle, whatever became of the one before."""
    shell = ("sh", "-c", "echo $SOAK_LOAD_CYCLE >> ran")
    plan = external(tmp_path, "http://127.0.0.1:1", "", cycle=1.5, cycles=3, quiet=0.2)

    def command_is_over(engine: Engine) -> bool:
        running = engine.runners[0]._running  # type: ignore[union-attr]
        return running is None or running.done()

    wanted = replace(plan, scenarios=(ScenarioPlan("tool", "command", command=shell),))
    assert drive(wanted, clock=LeapingClock(command_is_over)).errors == {}
    assert (tmp_path / "ran").read_text().split() == ["0", "1", "2"]


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("pids", "w").write(f"{os.getpid()} ")
time.sleep(600)
"""


def test_only_the_command_that_would_not_go_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ignores SIGTERM is killed later, and by then another one may run: that goes on."""
    monkeypatch.setattr(external_module, "STOP_S", 0.5)
    plan = external(tmp_path, "http://127.0.0.1:1", STUBBORN)

    async def go() -> tuple[int, int | None]:
        runner = ExternalRunner(Engine(plan, time.monotonic()), plan.scenarios[0])
        runner.begin_cycle(0.0)
        while " " not in pids(tmp_path) or runner._process is None:
            await asyncio.sleep(0.01)
        first = runner._process
        runner.rest()
        runner._process = other = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
        ended = await first.wait()
        going_on = other.returncode
        other.kill()
        await other.wait()
        return ended, going_on

    assert asyncio.run(asyncio.wait_for(go(), PATIENCE_S)) == (-signal.SIGKILL, None)


def test_a_command_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """127 is what a shell says for a command that is not there."""
    plan = external(tmp_path, "http://127.0.0.1:1", "")
    missing = replace(plan, scenarios=(ScenarioPlan("tool", "command", command=("/nowhere/tool",)),))
    assert drive(missing, until=lambda so_far: bool(so_far.errors)).errors == {"exit_127": 1}


FOREVER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("pids", "w").write(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def test_a_command_ends_with_the_loaded_part_and_takes_its_children_along(tmp_path: Path) -> None:
    """Neither it nor its child is left when the quiet part has begun; being ended by us is no error."""
    plan = external(tmp_path, "http://127.0.0.1:1", FOREVER)
    outcome = drive(plan, until=lambda _: " " in pids(tmp_path))  # a stop ends the loaded part as its end does
    assert outcome.errors == {}
    wait_until(lambda: not any(alive(int(pid)) for pid in pids(tmp_path).split()))  # being killed takes a moment


def pids(folder: Path) -> str:
    """What the command has written, once it is there."""
    return (folder / "pids").read_text() if (folder / "pids").exists() else ""


def alive(pid: int) -> bool:
    """Does this process still run?"""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_command_does_not_outlive_its_worker(tmp_path: Path) -> None:
    """kill -9 of the load worker: the leash ends the command."""
    generator = LoadGenerator(external(tmp_path, "http://127.0.0.1:1", FOREVER))
    generator.start(time.monotonic())
    try:
        wait_until(lambda: " " in pids(tmp_path))
        command, child = (int(pid) for pid in pids(tmp_path).split())
        os.kill(generator.pids[0], signal.SIGKILL)
        wait_until(lambda: not alive(command))
        os.kill(child, signal.SIGKILL)  # the test's own grandchild, whose parent is gone
    finally:
        generator.close()


def test_a_command_whose_worker_died_before_it_began_does_not_begin() -> None:
    """The leash knows its worker by its number, not by who adopts orphans: another parent, and it ends."""
    command = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid() + 1), "echo", "began"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    command[4] = str(os.getpid())
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"began\n"


FAKE_LOCUST = """#!{python}
import json, os, sys
open("arguments", "w").write(" ".join(sys.argv[1:]))
open("shape", "w").write(os.environ["SOAK_LOAD_SHAPE"])
print(json.dumps({{"requests": 7, "errors": {{}}, "response_ms": {{"12": 7}}}}), flush=True)
"""


def test_locust_gets_the_users_file_our_plugin_and_the_shape(serve: Serve, tmp_path: Path) -> None:
    """The file is untouched and comes first; the host is the target; the counts come back."""
    tool = tmp_path / "locust"
    tool.write_text(FAKE_LOCUST.format(python=sys.executable))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    scenario = ScenarioPlan("visitors", "locust", command=(str(tool),), file="locustfile.py")
    url = serve(hello).url
    plan = LoadPlan(url, (scenario,), cycle=50.0, cycles=1, quiet=10.0, folder=str(tmp_path), low=0, high=4)
    outcome = drive(plan, until=lambda so_far: so_far.total("landed") > 0)
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("-f locustfile.py,")
    assert f"locust_plugin.py --headless -H {url}" in arguments
    assert '"pieces": [[0.0, 40.0, 0, 4]]' in (tmp_path / "shape").read_text()
    assert outcome.total("landed") == 7
    assert outcome.histogram("response").quantile(0.5) == pytest.approx(0.012, rel=0.01)


def test_each_cycle_of_a_ramp_gets_its_own_part() -> None:
    """Of a ramp over three cycles the second gets the middle third, in seconds of its own."""
    plan = LoadPlan("http://127.0.0.1", profile="ramp", cycle=10, cycles=3, quiet=2, low=0, high=30)
    values = environment_of(Engine(plan, 0.0), plan.scenarios[0], 1, 0.0)
    assert '"pieces": [[0, 8, 10.0, 20.0]]' in values["SOAK_LOAD_SHAPE"]
    assert values["SOAK_LOAD_RATE"] == "15"


LOCUSTFILE = """
from locust import HttpUser, task
class Visitor(HttpUser):
    @task
    def visit(self):
        self.client.get("/")
"""


@pytest.fixture(scope="module")
def locust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Locust in an environment of its own, from the package index."""
    home = tmp_path_factory.mktemp("locust")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [home / "bin/pip", "install", "-q", "locust>=2.30"]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"locust cannot be installed here: {done.stderr[-200:]}")
    return home / "bin/locust"


@pytest.mark.slow
def test_a_real_locust_runs_an_unmodified_file(serve: Serve, tmp_path: Path, locust: Path) -> None:
    """With our shape and pacing: a constant 10/s from its first task to the end of the loaded part.

    120 tasks in 12 s, less those of the time that Locust needs to start.
    """
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    scenario = ScenarioPlan("visitors", "locust", command=(str(locust),), file="locustfile.py")
    seen: list[float] = []

    async def noting(client: Client) -> None:
        while True:
            await client.head()
            seen.append(time.monotonic())
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    plan = LoadPlan(serve(noting).url, (scenario,), "constant", 15.0, 1, 3.0, 10.0, 10.0, folder=str(tmp_path))
    end = time.monotonic() + 12.0
    outcome = drive(plan, lead=0.0)
    landed = outcome.total("landed")
    assert outcome.counts("errors") == {}
    assert outcome.histogram("response").count == landed
    assert 0 <= len(seen) - landed <= 1, "of what it sent, at most one was not over when the loaded part was"
    assert 30 < landed == pytest.approx(10 * (end - seen[0]), rel=0.15)
