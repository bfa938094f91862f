"""Other people's generators: commands and locustfiles, with our load in their environment and their counts in ours."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from soak.load import LoadGenerator, LoadPlan, ScenarioPlan
from soak.load.external import environment_of
from tests.load.conftest import Outcome, WireServer, drive, hello, run

Serve = Callable[..., WireServer]

SCRIPT = """
import json, os, sys, time, urllib.request
print("not a report")
for _ in range(3):
    began = time.monotonic()
    urllib.request.urlopen(os.environ["SOAK_LOAD_URL"]).read()
    took = (time.monotonic() - began) * 1e3
    print(json.dumps({"requests": 1, "errors": {}, "response_ms": {str(took): 1}}), flush=True)
print(json.dumps({"requests": 2, "errors": {"status_500": 1, "refused": 1}}), flush=True)
print('{"requests": "many"}', flush=True)
open("seen-" + os.environ["SOAK_LOAD_CYCLE"], "w").write(os.environ["SOAK_LOAD_RATE"] + " " + sys.argv[1])
"""


def external(tmp_path: Path, url: str, script: str, **values: object) -> LoadPlan:
    """A plan with one command: this Python, this script."""
    (tmp_path / "script.py").write_text(script)
    scenario = ScenarioPlan("tool", "command", command=(sys.executable, "script.py", "argument"))
    settings = {"cycle": 1.2, "cycles": 1, "quiet": 0.2, "low": 0.0, "high": 10.0, **values}
    return LoadPlan(url, (scenario,), folder=str(tmp_path), **settings)  # type: ignore[arg-type]


def test_a_command_runs_in_each_cycle_and_its_reports_count(serve: Serve, tmp_path: Path) -> None:
    """Twice, with the mean rate in its environment; five requests each, one unreadable report each."""
    outcome = drive(external(tmp_path, serve(hello).url, SCRIPT, cycles=2))
    assert outcome.total("due") == 10
    assert outcome.total("landed") == 8
    assert outcome.counts("errors") == {"status_500": 2, "refused": 2, "unreadable_report": 2}
    assert outcome.histogram("response").count == 6
    assert [(tmp_path / f"seen-{cycle}").read_text() for cycle in (0, 1)] == ["5 argument"] * 2


def test_a_command_that_fails_or_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Its exit code is the name of the error; 127 is what a shell says for a command that is not there."""
    assert drive(external(tmp_path, "http://127.0.0.1:1", "raise SystemExit(3)")).counts("errors") == {"exit_3": 1}
    plan = external(tmp_path, "http://127.0.0.1:1", "")
    missing = ScenarioPlan("tool", "command", command=("/nowhere/tool",))
    plan = LoadPlan(plan.url, (missing,), cycle=1.0, cycles=1, quiet=0.2, folder=plan.folder)
    assert drive(plan).counts("errors") == {"exit_127": 1}


FOREVER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open("pids", "w").write(f"{os.getpid()} {child.pid}")
time.sleep(60)
"""


def test_a_command_ends_with_the_loaded_part_and_takes_its_children_along(tmp_path: Path) -> None:
    """Neither it nor its child is left when the quiet part has begun; being ended by us is no error."""
    outcome = drive(external(tmp_path, "http://127.0.0.1:1", FOREVER, cycle=1.5, quiet=0.5))
    assert outcome.counts("errors") == {}
    assert not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def alive(pid: int) -> bool:
    """Does this process still run?"""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_command_does_not_outlive_its_worker(tmp_path: Path) -> None:
    """kill -9 of the load worker: the leash ends the command."""
    generator = LoadGenerator(external(tmp_path, "http://127.0.0.1:1", FOREVER, cycle=60.0, quiet=5.0))
    generator.start(time.monotonic())
    try:
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            time.sleep(0.02)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        os.kill(generator.pids[0], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while alive(pids[0]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not alive(pids[0])
        os.kill(pids[1], signal.SIGKILL)  # the test's own grandchild, whose parent is gone
    finally:
        generator.close()


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
    plan = LoadPlan(url, (scenario,), cycle=1.2, cycles=1, quiet=0.2, folder=str(tmp_path), low=0, high=4)
    outcome = drive(plan)
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("-f locustfile.py,")
    assert f"locust_plugin.py --headless -H {url}" in arguments
    assert '"pieces": [[0.0, 1.0, 0, 4]]' in (tmp_path / "shape").read_text()
    assert outcome.total("landed") == 7
    assert outcome.histogram("response").quantile(0.5) == pytest.approx(0.012, rel=0.01)


def test_each_cycle_of_a_ramp_gets_its_own_part() -> None:
    """Of a ramp over three cycles the second gets the middle third, in seconds of its own."""
    plan = LoadPlan("http://127.0.0.1", profile="ramp", cycle=10, cycles=3, quiet=2, low=0, high=30)

    class Engine:
        pass

    engine = Engine()
    engine.plan = plan  # type: ignore[attr-defined]
    values = environment_of(engine, plan.scenarios[0], 1, 0.0)  # type: ignore[arg-type]
    assert '"pieces": [[0, 8, 10.0, 20.0]]' in values["SOAK_LOAD_SHAPE"]
    assert values["SOAK_LOAD_RATE"] == "15"


LOCUSTFILE = """
from locust import HttpUser, task
class Visitor(HttpUser):
    @task
    def visit(self):
        self.client.get("/")
"""


@pytest.mark.slow
def test_a_real_locust_runs_an_unmodified_file(serve: Serve, tmp_path: Path) -> None:
    """With our shape and pacing: a constant 10/s for 8 s is about 80 tasks, of which the first second ramps up."""
    locust = Path.home() / ".cache/soak-bench/locust/bin/locust"
    if not locust.exists():
        pytest.skip("locust is not installed: `python -m benchmarks.load closed` does it")
    (tmp_path / "locustfile.py").write_text(LOCUSTFILE)
    scenario = ScenarioPlan("visitors", "locust", command=(str(locust),), file="locustfile.py")

    async def answer(client: object) -> None:
        await hello(client)  # type: ignore[arg-type]

    plan = LoadPlan(serve(answer).url, (scenario,), "constant", 15.0, 1, 3.0, 10.0, 10.0, folder=str(tmp_path))
    outcome: Outcome = run(plan)
    assert outcome.counts("errors") == {}
    assert 60 <= outcome.total("landed") <= 125
    assert outcome.histogram("response").count == outcome.total("landed")
