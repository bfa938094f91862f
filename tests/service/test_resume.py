"""A daemon that is killed goes on with its run when the target was attached and is still the same process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soak.config import load_config
from soak.resume import place_in_time, take_over
from soak_probes import start_time_of
from soak_storage import Store, open_store
from soak_storage.records import RunStart, SampleRow, SegmentRow
from tests.common import wait_until
from tests.e2e.soaking import GUEST, free_port, write_config
from tests.service.daemons import service

GONE = (4_194_304, 1)  # beyond the largest pid there can be


@contextmanager
def guest(port: int) -> Iterator[int]:
    """The pid of a target that soak has not started."""
    with subprocess.Popen([sys.executable, str(GUEST)], env={**os.environ, "PORT": str(port)}) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def attached(folder: Path, port: int, pid: int, **load: object) -> None:
    """A soak.toml that attaches to it."""
    path = write_config(folder, load={"low": 5, "high": 20, **load}, schedule={"every": "1h"})
    lines = path.read_text().splitlines()
    kept = [line for line in lines if not line.startswith(("command", "env", "url", "ready"))]
    at = kept.index('name = "guest"') + 1
    web = ["", "[web]", f'listen = "127.0.0.1:{free_port()}"']
    path.write_text(
        "\n".join([*kept[:at], f"pid = {pid}", f'url = "http://127.0.0.1:{port}"', *kept[at:], *web]) + "\n"
    )


def cut_off(store: Store, config: dict[str, object], zero: float, roots: tuple[tuple[int, int], ...]) -> int:
    """A run as a killed daemon leaves it."""
    start = RunStart("guest", "here", time.time(), "0.1", 4.0, 1.0, 5, config, owner_pid=GONE[0], owner_start=GONE[1])
    run = store.begin_run(start)
    store.update_run(run, target={"pids": [roots[0][0]], "python": "3.11.7", **place_in_time(zero, roots)})
    store.write(run, [SegmentRow(2, 1.0, "restart"), SampleRow(3.5, "rss", "bytes", 1.0)])
    return run


def alive(pid: int, start: int) -> bool:
    return start_time_of(pid) == start


def test_what_can_go_on_is_taken_over(tmp_path: Path) -> None:
    """Where it stood, whom it looked at, and from now on it is this process's; a second look finds nothing more."""
    pid = os.getpid()
    me = (pid, start_time_of(pid) or 0)
    attached(tmp_path, 1, pid)
    config = load_config(tmp_path / "soak.toml")
    with open_store(f"sqlite:///{tmp_path}/s.db", environ={}) as store:
        run = cut_off(store, config.to_json(), 100.0, (me,))
        assert take_over(store, config, "elsewhere", alive, 104.0) is None
        found = take_over(store, config, "here", alive, 104.0)
        assert found is not None and (found.run_id, found.zero, found.roots) == (run, 100.0, (me,))
        assert (found.segment, found.last, found.python) == (2, 3.5, "3.11.7")
        assert store.run(run).owner_pid == pid and store.close_orphaned_runs(alive, host="here") == []
        assert take_over(store, config, "here", alive, 104.0) is None


def test_what_cannot_go_on_is_left(tmp_path: Path) -> None:
    """Its time is over, its target has ended, the configuration is another one, or soak had started the target."""
    pid = os.getpid()
    me = (pid, start_time_of(pid) or 0)
    attached(tmp_path, 1, pid)
    config = load_config(tmp_path / "soak.toml")
    changed = {**config.to_json(), "name": "other"}
    cases = ((config.to_json(), 80.0, me), (config.to_json(), 100.0, (pid, me[1] + 1)), (changed, 100.0, me))
    for number, (kept, zero, root) in enumerate(cases):
        with open_store(f"sqlite:///{tmp_path}/{number}.db", environ={}) as store:
            cut_off(store, kept, zero, (root,))
            assert take_over(store, config, "here", alive, 104.0) is None, number
    write_config(tmp_path)
    started = load_config(tmp_path / "soak.toml")
    with open_store(f"sqlite:///{tmp_path}/s.db", environ={}) as store:
        cut_off(store, started.to_json(), 100.0, (me,))
        assert take_over(store, started, "here", alive, 104.0) is None


@pytest.mark.slow
def test_a_killed_daemon_goes_on_with_an_attached_target(tmp_path: Path) -> None:
    """kill -9 twice: one run, completed, one segment, a gap for each time, load and samples after as before it."""
    target = free_port()
    with guest(target) as pid:
        attached(tmp_path, target, pid, cycle="10s", cycles=6, quiet="3s")
        web = int((tmp_path / "soak.toml").read_text().rpartition(":")[2].strip().strip('"'))
        seen: list[int] = []
        for _ in range(2):
            with service(tmp_path, port=web, configured=True) as daemon:
                daemon.wait_for_phase("soaking", 200)
                cycle = (daemon.status()["run"] or {"cycle": 0})["cycle"]
                wait_until(lambda at=cycle: (daemon.status().get("run") or {"cycle": at})["cycle"] > at, 200)
                with open_store(daemon.store) as store:
                    seen.append(sum(len(store.samples(one.id)[0]) for one in store.series(1)))
                daemon.process.kill()
                daemon.process.wait()
        with service(tmp_path, port=web, configured=True) as daemon:
            daemon.wait_for("READY=1", 200)
            wait_until(lambda: bool(daemon.status().get("last")), 400)
            assert daemon.says("its target is the same process, it goes on")
            daemon.signal(signal.SIGTERM)
            assert daemon.process.wait(200) == 0
        assert start_time_of(pid) is not None  # it was only looked at
    with open_store(daemon.store) as store:
        (run,) = store.runs()
        assert run.status == "completed" and run.verdict not in (None, "error")
        assert [segment.number for segment in store.segments(run.id)] == [0]
        gaps = [event for event in store.events(run.id) if event.detail.get("why") == "soak_restarted"]
        assert len(gaps) == 2 and all(0 < gap.t0 < (gap.t1 or 0) for gap in gaps)
        assert seen[0] < seen[1] < sum(len(store.samples(one.id)[0]) for one in store.series(run.id))
        assert max(row.cycle for row in store.load_cycles(run.id)) == 5
