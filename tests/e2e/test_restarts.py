"""Targets that come back: restarted by soak, by somebody else, or worker by worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soak_storage import open_store
from tests.common import accepts, free_port, wait_until

from .soaking import ENDLESS, GUEST, LONG_S, leftovers, running, soak, write_config
from .test_failures import landed_samples

SHORT = {"cycle": "3s", "cycles": 3, "quiet": "1s"}
WITH_ROOM = {"cycle": "8s", "cycles": 2, "quiet": "1s"}  # for a restart: a cycle without an answer would end the run


def events(folder: Path, kind: str) -> list[dict[str, object]]:
    """The details of the stored events of one kind; none before there is a store."""
    if not (folder / "soak.db").exists():
        return []
    with open_store(f"sqlite:///{folder / 'soak.db'}") as store:
        return [dict(event.detail) for event in store.events(store.run(None).id) if event.kind == kind]


@contextmanager
def guest(port: int, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A guest that soak did not start, once it listens."""
    process = subprocess.Popen([sys.executable, str(GUEST)], env={**os.environ, "PORT": str(port), **env})
    try:
        wait_until(lambda: accepts(port))
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_target_that_fails_is_started_again(tmp_path: Path) -> None:
    """With restart = "on-failure" the run goes on in a new segment, which is said and withdraws a clean verdict."""
    once = {"DIE_AFTER": "0.5", "DIE_ONCE": str(tmp_path / "died")}
    write_config(tmp_path, target={"env": once, "restart": "on-failure"}, load=WITH_ROOM)
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.report is not None, done.err
    assert done.code == 3, done.err + done.out
    assert done.report["run"]["status"] == "completed"
    assert len(done.report["run"]["target"]["pids"]) == 1 + len(done.report["run"]["segments"]) >= 2
    assert "target_restarted" in {one["code"] for one in done.report["evidence"]}
    assert "started again" in done.err
    restarts = events(tmp_path, "restart")
    assert [restart["why"] for restart in restarts] == ["exit code 7"]
    wait_until(lambda: not leftovers(tmp_path))


def test_a_target_that_fails_again_and_again_ends_the_run(tmp_path: Path) -> None:
    """A target that never lives for ten seconds (or a cycle) is not restarted all night."""
    load = {"cycle": "20s", "cycles": 20, "quiet": "5s"}
    write_config(tmp_path, target={"env": {"DIE_AFTER": "0.5"}, "restart": "on-failure"}, load=load)
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.code == 4, done.err
    assert done.report is not None
    assert done.report["run"]["cycles"] < 10
    assert "exit code 7" in done.err


def test_an_attached_target_that_somebody_restarts_is_found_again(tmp_path: Path) -> None:
    """Attached by port, the run goes on with the process that listens there next."""
    port = free_port()
    path = write_config(tmp_path, target={"port": port, "url": f"http://127.0.0.1:{port}"}, load=ENDLESS)
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith(("command", "env")))
    )
    with guest(port) as first, running(tmp_path, "run", stderr=subprocess.PIPE, text=True) as started:
        wait_until(lambda: landed_samples(tmp_path) > 5, LONG_S)
        first.kill()
        first.wait()
        with guest(port) as second:
            wait_until(lambda: bool(events(tmp_path, "restart")), LONG_S)
            before = landed_samples(tmp_path)
            wait_until(lambda: landed_samples(tmp_path) > before, LONG_S)
            started.send_signal(signal.SIGINT)
            _, err = started.communicate(timeout=LONG_S)
            assert second.poll() is None, "an attached target is nobody's to end"
    assert started.returncode == 130, err
    assert [restart["pids"] for restart in events(tmp_path, "restart")] == [[second.pid]]


def test_an_attached_target_with_an_agent_is_read_from_inside(tmp_path: Path) -> None:
    """A target that calls soak_agent.start() itself is asked where it listens, which its environment tells."""
    port = free_port()
    path = write_config(tmp_path, target={"port": port, "url": f"http://127.0.0.1:{port}"}, load=SHORT)
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith(("command", "env")))
    )
    code = "import runpy, soak_agent\nassert soak_agent.start()\nrunpy.run_path({!r}, run_name='__main__')"
    env = {**os.environ, "PORT": str(port), "XDG_RUNTIME_DIR": str(tmp_path)}
    target = subprocess.Popen([sys.executable, "-P", "-c", code.format(str(GUEST))], env=env)
    try:
        wait_until(lambda: accepts(port))
        done = soak(tmp_path, "run", "--json", "report.json")
    finally:
        target.kill()
        target.wait()
    assert done.report is not None, done.err
    assert done.report["observer"]["heap"] in ("sampler", "tracemalloc"), done.err


def test_workers_that_are_replaced_are_told(tmp_path: Path) -> None:
    """Recycling ends a leak with each worker: it is stored, and said, that growth is hidden by it."""
    prefork = GUEST.with_name("prefork.py")
    write_config(
        tmp_path, target={"command": [sys.executable, str(prefork)], "env": {"LIVES": "3"}}, load={**SHORT, "cycles": 4}
    )
    done = soak(tmp_path, "run")
    recycled = events(tmp_path, "recycled")
    assert recycled, done.err
    assert "hidden" in done.err
    assert all(float(str(one["lived_s"])) > 0 for one in recycled)


def test_an_agent_that_has_to_be_there_is_missed(tmp_path: Path) -> None:
    """agent.enabled = "on" and a target that is not Python: an error that says so, not a blind night."""
    write_config(tmp_path, target={"command": ["sleep", "60"]}, agent={"enabled": "on"}, load=SHORT)
    path = tmp_path / "soak.toml"
    path.write_text(path.read_text().replace("[load]", '[load]\nprofile = "none"'))
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(("url", "ready"))))
    done = soak(tmp_path, "run")
    assert done.code == 4
    assert "agent" in done.err


def test_an_interrupt_while_the_target_starts_is_heard(tmp_path: Path) -> None:
    """Ctrl-C does not wait for a target that takes its time."""
    write_config(tmp_path, target={"url": f"http://127.0.0.1:{free_port()}", "startup_timeout": "60s"})
    with running(tmp_path, "run", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        wait_until(lambda: (tmp_path / "soak-runs/1/target.log").exists(), LONG_S)
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=LONG_S)
    assert started.returncode == 130, err
    wait_until(lambda: not leftovers(tmp_path))


def test_a_trough_is_sampled_deeply_right_before_its_reading(tmp_path: Path) -> None:
    """What is dear to read comes with each trough, at the moment of the agent's reading; ceilings are stored, too."""
    write_config(tmp_path, load=SHORT, sample={"interval": "290ms"})
    done = soak(tmp_path, "run")
    assert landed_samples(tmp_path) > 0, done.err
    with open_store(f"sqlite:///{tmp_path / 'soak.db'}") as store:
        run = store.run(None)
        totals = {info.name: info.id for info in store.series(run.id) if info.process == "total"}
        readings = {round(reading.t, 3) for reading in store.readings(run.id)}
        assert readings  # one a cycle, but for a cycle that ended while soak or the agent got no turn
        for name in ("rss", "uss", "pss", "sockets"):
            assert readings <= {round(t, 3) for t in store.samples(totals[name])[0]}, name
        assert run.target["ceilings"]["fds"] > 0 and run.target["ceilings"]["machine"] > 1 << 28
