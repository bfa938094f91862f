"""The processes around the engine: started, heard, stopped, replaced, and gone when the parent is gone."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from soak.errors import SoakError
from soak.load import LoadDelta, LoadGenerator, LoadPlan, ScenarioPlan
from tests.common import PATIENCE_S, wait_until
from tests.load.conftest import Client, Outcome, WireServer, hello, run, soon

Serve = Callable[..., WireServer]


def test_two_workers_share_the_load_and_say_what_they_cost(serve: Serve) -> None:
    """100 requests by two processes: all land, about half by each; CPU and memory are reported."""
    server = serve(hello)
    outcome = run(soon(server.url, 100, workers=2), until=lambda so_far: so_far.total("landed") == 100)
    by_worker = {n: sum(delta.landed for delta in outcome.deltas if delta.worker == n) for n in (0, 1)}
    assert by_worker == {0: 50, 1: 50}
    assert outcome.total("worker_cpu_s") > 0
    assert max(delta.worker_rss for delta in outcome.deltas) > 1_000_000


@pytest.mark.slow
def test_a_worker_that_dies_is_replaced_and_its_gap_is_recorded(serve: Serve) -> None:
    """Killed in the middle: a gap is reported, a new process goes on, and everything due is accounted for."""
    server = serve(hello)
    plan = LoadPlan(server.url, (ScenarioPlan(rate=50),), cycle=5.0, cycles=1, quiet=0.5)
    killed: list[int] = []

    def kill(generator: LoadGenerator, now: float) -> None:
        if not killed and sum(len(client.received) for client in server.clients) > 500:
            killed.extend(generator.pids)
            os.kill(killed[0], signal.SIGKILL)

    outcome = run(plan, during=kill)
    assert killed
    gaps = [gap for delta in outcome.deltas for gap in delta.gaps]
    assert len(gaps) == 1
    assert "-9" in gaps[0][2]
    assert outcome.total("landed") > 50
    last = [delta for delta in outcome.deltas if delta.t1 > gaps[0][1]]
    assert sum(delta.landed for delta in last) > 50


def test_stop_ends_it_in_order(serve: Serve) -> None:
    """The workers report what was still due and are gone; a second stop and close do nothing."""
    server = serve(hello)
    plan = LoadPlan(server.url, (ScenarioPlan(rate=50),), cycle=60.0, cycles=2, quiet=5.0)
    generator = LoadGenerator(plan)
    generator.start(time.monotonic())
    pids = generator.pids
    deltas: list[LoadDelta] = []
    while not Outcome(deltas).total("landed"):
        select.select([generator], [], [], 2)
        deltas += generator.poll()
    generator.stop(PATIENCE_S)
    deltas += generator.poll()
    assert not generator.running
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert Outcome(deltas).counts("errors") == {}
    generator.stop()
    generator.close()


def test_poll_never_blocks_and_fileno_tells_when_to_call_it(serve: Serve) -> None:
    """A poll with nothing there returns at once; a delta makes the descriptor readable."""
    generator = LoadGenerator(LoadPlan(serve(hello).url, cycle=600.0, quiet=5.0))
    generator.start(time.monotonic())
    worker = psutil.Process(generator.pids[0])
    try:
        worker.suspend()  # it says nothing from here on: a poll that waited for it would wait for ever
        wait_until(lambda: worker.status() == psutil.STATUS_STOPPED)
        while generator.poll():
            pass
        assert generator.poll() == []
        worker.resume()
        assert select.select([generator], [], [], PATIENCE_S)[0]
        assert generator.poll()
    finally:
        generator.close()


def test_a_parent_that_does_not_listen_loses_nothing(serve: Serve) -> None:
    """Not polled until the end, the worker adds up: every request is reported, and the load was not held up."""
    server = serve(hello)
    generator = LoadGenerator(soon(server.url, 120, cycle=3.4, quiet=1.0))
    generator.start(time.monotonic() + 0.5)
    worker = psutil.Process(generator.pids[0])
    try:
        wait_until(lambda: worker.status() == psutil.STATUS_ZOMBIE)  # until it is reaped by a poll
        deltas = []
        while generator.running:
            deltas += generator.poll()
        outcome = Outcome(deltas)
        assert outcome.total("sent") == 120
        # a machine that stands still at the end leaves requests to be cut off
        assert outcome.total("landed") + outcome.counts("faulted").get("cut_off", 0) == 120
    finally:
        generator.close()


def test_stop_reads_what_the_workers_still_have_to_say(serve: Serve) -> None:
    """More than a pipe holds, and nobody has polled: stop neither hangs nor loses any of it."""
    names = [f"scenario-{number:03}-{'x' * 400}" for number in range(200)]
    scenarios = tuple(ScenarioPlan(name, rate=5.0) for name in names)
    server = serve(hello)
    generator = LoadGenerator(LoadPlan(server.url, scenarios, cycle=600.0, quiet=5.0, timeout=PATIENCE_S))
    generator.start(time.monotonic())
    try:
        assert select.select([generator], [], [], PATIENCE_S)[0]
        wait_until(lambda: sum(client.received.count(b"\r\n\r\n") for client in list(server.clients)) > 400)
        generator.stop(PATIENCE_S)
        outcome = Outcome(generator.poll())
        assert not generator.running
        assert outcome.total("due") == outcome.total("sent") + outcome.total("dropped") > 100
        assert outcome.total("landed") + outcome.counts("faulted").get("cut_off", 0) == outcome.total("sent")
        assert outcome.errors == {}
    finally:
        generator.close()


def test_what_was_under_way_when_the_load_was_stopped_is_no_error(serve: Serve) -> None:
    """A target that takes its time: its requests are cut off, and counted as that."""

    async def slowly(client: Client) -> None:
        await client.until_end()

    patient = LoadPlan(serve(slowly).url, (ScenarioPlan(rate=20),), cycle=600.0, quiet=5.0, timeout=PATIENCE_S)
    generator = LoadGenerator(patient)
    generator.start(time.monotonic())
    deltas: list[LoadDelta] = []
    try:
        while not Outcome(deltas).total("sent"):
            select.select([generator], [], [], 2)
            deltas += generator.poll()
        generator.stop(PATIENCE_S)
        outcome = Outcome(deltas + generator.poll())
    finally:
        generator.close()
    assert outcome.errors == {}
    assert outcome.counts("faulted") == {"cut_off": outcome.total("sent")}


PARENT = """
import sys, time
from soak.load import LoadGenerator, LoadPlan
generator = LoadGenerator(LoadPlan(sys.argv[1], cycle=600.0, quiet=5.0))
generator.start(time.monotonic())
print(generator.pids[0], flush=True)
time.sleep(600)
"""


def test_nothing_outlives_the_parent(serve: Serve, tmp_path: Path) -> None:
    """kill -9 of the parent: its worker is soon gone."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script, serve(hello).url], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            worker = psutil.Process(int(parent.stdout.readline()))
            assert runs(worker)
        finally:
            parent.kill()
    try:
        wait_until(lambda: not runs(worker))
    finally:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


def runs(process: psutil.Process) -> bool:
    """Whether it is there and no zombie, which it may stay for as long as who adopts it likes."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_folder_with_modules_of_our_names_disturbs_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A logging.py and an asyncio.py where soak is called: the worker does not import them."""
    for name in ("logging.py", "asyncio.py", "soak.py"):
        (tmp_path / name).write_text("raise SystemExit('imported by accident')\n")
    monkeypatch.chdir(tmp_path)
    outcome = run(soon(serve(hello).url, 5), until=lambda so_far: so_far.total("landed") == 5)
    assert outcome.total("landed") == 5


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (LoadPlan("ftp://127.0.0.1"), "load_url"),
        (LoadPlan("http://127.0.0.1", quiet=4000.0), "load_shape"),
        (LoadPlan("http://127.0.0.1", (ScenarioPlan(kind="carrier-pigeon"),)), "load_unsupported"),
        (LoadPlan("http://127.0.0.1", profile="waltz"), "load_unsupported"),
        (LoadPlan("http://127.0.0.1", (ScenarioPlan(headers={"A": "b\r\nEvil: 1"}),)), "load_header"),
    ],
)
def test_what_cannot_be_driven_is_refused_before_anything_starts(plan: LoadPlan, code: str) -> None:
    """A wrong URL, no loaded part, an unknown kind or profile, a header with a line break."""
    with pytest.raises(SoakError) as refused:
        LoadGenerator(plan)
    assert refused.value.code == code


PRINTING = """
async def visit(client, context):
    print("x" * 100_000)
    await client.get("/")
    if context.number == 3:
        raise SystemExit("enough")
"""


def test_what_a_scenario_prints_does_not_get_into_our_pipe(serve: Serve, tmp_path: Path) -> None:
    """It goes to the log; a scenario that wants to end the process is an error like any other."""
    (tmp_path / "visits.py").write_text(PRINTING)
    scenario = ScenarioPlan(kind="python", function="visits.py:visit")
    plan = soon(serve(hello).url, 6, scenario, folder=str(tmp_path))
    outcome = run(plan, until=lambda so_far: so_far.total("landed") == 6)
    assert outcome.total("landed") == 6
    assert outcome.counts("errors") == {"SystemExit": 1}


def test_a_stopped_load_accounts_for_what_was_under_way(serve: Serve, tmp_path: Path) -> None:
    """A scenario that still runs when the load is stopped is cut off and reported."""
    (tmp_path / "visits.py").write_text("import asyncio\nasync def visit(client, context): await asyncio.sleep(600)\n")
    scenario = ScenarioPlan(kind="python", function="visits.py:visit", rate=20)
    generator = LoadGenerator(LoadPlan(serve(hello).url, (scenario,), cycle=600.0, quiet=5.0, folder=str(tmp_path)))
    generator.start(time.monotonic())
    deltas: list[LoadDelta] = []
    try:
        while not Outcome(deltas).total("sent"):
            select.select([generator], [], [], 2)
            deltas += generator.poll()
        generator.stop(PATIENCE_S)
        deltas += generator.poll()
    finally:
        generator.close()
    assert Outcome(deltas).counts("faulted") == {"cut_off": Outcome(deltas).total("sent")}
