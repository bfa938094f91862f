"""The daemon as a process: soaks when it is due, tells systemd, reloads, stops, and gets over being killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from soak.config import load_config
from soak.daemon import checked
from soak.errors import ConfigError
from soak_probes import start_time_of
from soak_storage import open_store
from tests.checks.servers import http_server
from tests.common import free_port, wait_until
from tests.e2e.soaking import GUEST, leftovers, soak, soak_command
from tests.service.daemons import LONG_S, configure, service

SHORT = {"load": {"cycle": "2s", "cycles": 2, "low": 5, "high": 20, "quiet": "800ms"}}
LONG = {"load": {"cycle": "60s", "cycles": 10, "low": 5, "high": 20}}
RUN_GUEST = f"import runpy; runpy.run_path({str(GUEST)!r}, run_name='__main__')"


@contextmanager
def deaf(folder: Path, stop_timeout: str) -> Iterator[dict[str, object]]:
    """A target that hears no SIGTERM, killed at the end: its warden would wait for as long as it was told."""
    code = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {RUN_GUEST}"
    try:
        yield {"command": [sys.executable, "-c", code], "stop_timeout": stop_timeout}
    finally:
        wait_until(lambda: not killed(folder))


def killed(folder: Path) -> list[psutil.Process]:
    """What ran there until now."""
    found = leftovers(folder)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return found


def test_it_soaks_when_it_is_due_and_tells(tmp_path: Path) -> None:
    """Ready, watchdog fed, a run on the schedule, its verdict, an alert, the next start."""
    with http_server() as people:
        leaky = {"target": {"env": {"LEAK": "4000000"}}, "limits": {"peak": "1MB"}, "alerts": {"webhook": people.url}}
        with service(tmp_path, **SHORT, **leaky) as daemon:
            daemon.wait_for("READY=1")
            daemon.wait_for("WATCHDOG=1")
            wait_until(lambda: daemon.status().get("last"), LONG_S)
            daemon.wait_for_phase("idle")
            told = daemon.told()
            assert told["last"]["verdict"] == "failed"
            assert 0 < told["next_start"] - time.time() < 3600
            wait_until(lambda: bool(people.seen))
            alert = json.loads(people.seen[0][2])
            assert alert["occasion"] == "raised" and alert["target"] == "guest" and alert["kind"] == "peak"
            daemon.signal(signal.SIGTERM)
            assert daemon.process.wait(LONG_S) == 0
            daemon.wait_for("STOPPING=1")
        begins = next(line for line in daemon.log if "a soak of guest begins" in line["message"])
        assert begins["run"] == 1  # the id is on every line of the run
    assert soak(tmp_path, "status").code == 4  # nobody answers any more; the store is read
    with open_store(daemon.store) as store:
        assert [run.status for run in store.runs()] == ["completed"]


def test_sigterm_ends_a_run_in_order(tmp_path: Path) -> None:
    """In the middle of a run, as its status says: it is closed as interrupted, judged, its target is gone, exit 0."""
    with service(tmp_path, **LONG) as daemon:
        daemon.wait_for_phase("soaking")
        daemon.wait_for("STATUS=run 1 of guest: cycle ")
        told = wait_until(lambda: (asked := soak(tmp_path, "status")).code == 0 and asked, LONG_S)
        assert "run 1 of guest: cycle " in told.out
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(LONG_S) == 0
    with open_store(daemon.store) as store:
        run = store.run()
        assert run.status == "interrupted" and run.verdict is not None
        assert store.latest_analysis(run.id) is not None
        assert all(start_time_of(pid) is None for pid in run.target["pids"])


def test_a_target_that_takes_its_time_to_end_is_no_hang(tmp_path: Path) -> None:
    """No sample is due any more once the cycles are over: it says that it ends, long before the run is closed."""
    with deaf(tmp_path, "10m") as target, service(tmp_path, **LONG, target=target) as daemon:
        daemon.wait_for_phase("soaking")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_phase("ending")
        with open_store(daemon.store) as store:
            run = store.run()
        assert run.status == "running"
        for pid in run.target["pids"]:
            os.kill(pid, signal.SIGKILL)
        assert daemon.process.wait(LONG_S) == 0


def test_the_last_words_of_a_target_give_no_secret_away(tmp_path: Path) -> None:
    """It prints passwords as it dies: they are in its own log alone, not in the daemon's nor in what it answers."""
    words = (
        "import os; print('got', os.environ['API_TOKEN']); print('DB_PASSWORD=hunter22 host=db'); raise SystemExit(3)"
    )
    target = {"command": [sys.executable, "-c", words], "env": {"API_TOKEN": "sesame-open"}}
    with service(tmp_path, **SHORT, target=target) as daemon:
        last = wait_until(lambda: daemon.status().get("last"), LONG_S)
        assert "| DB_PASSWORD=*** host=db" in last["message"] and "| got ***" in last["message"]
        wait_until(lambda: daemon.says("| DB_PASSWORD=*** host=db"))
    said = (tmp_path / "daemon.log").read_text() + last["message"]
    assert "hunter22" not in said and "sesame-open" not in said


def test_the_second_signal_is_now(tmp_path: Path) -> None:
    """SIGTERM and SIGINT: nobody waits for analysis or target; the run is closed as interrupted all the same."""
    with deaf(tmp_path, "1h") as target, service(tmp_path, **LONG, target=target) as daemon:
        daemon.wait_for_phase("soaking")
        daemon.signal(signal.SIGSTOP)  # both arrive together, whatever the machine is doing
        daemon.signal(signal.SIGTERM)
        daemon.signal(signal.SIGINT)
        daemon.signal(signal.SIGCONT)
        assert daemon.process.wait(LONG_S) == 130  # and not after the target's stop_timeout
    with open_store(daemon.store) as store:
        assert store.run().status == "interrupted"


def test_sighup_reloads_and_refuses_what_is_invalid(tmp_path: Path) -> None:
    """Another schedule is taken over while a run goes on; a broken file is refused by name and nothing changes."""
    with service(tmp_path, **LONG) as daemon:
        daemon.wait_for_phase("soaking")
        before = daemon.told()["next_start"]
        config = tmp_path / "soak.toml"
        good = config.read_text()
        config.write_text(good.replace('every = "1h"', 'every = "1x"'))
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.says("the configuration is refused, the old one stays"))
        assert any("schedule.every" in line["message"] for line in daemon.log)
        assert daemon.told()["next_start"] == before
        config.write_text(good.replace('every = "1h"', 'every = "5h"'))
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.says("the configuration was read again"))
        told = daemon.told()
        assert told["next_start"] != before and told["phase"] == "soaking"
        config.write_text(good.replace('name = "guest"', 'name = "other"'))
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.says("target.name cannot change while the daemon runs"))
        daemon.wait_for("RELOADING=1")


def test_a_daemon_that_was_killed_is_recovered(tmp_path: Path) -> None:
    """kill -9 in a run: the next daemon closes it as interrupted, its target is gone, what is due is still known."""
    port = free_port()
    with service(tmp_path, port=port, **LONG) as first:
        first.wait_for_phase("soaking")
        due = first.told()["next_start"]
        first.process.kill()
        first.process.wait()
    with open_store(first.store) as store:
        (pid,) = store.run().target.get("pids") or [None]
        assert store.run().status == "running"
    with service(tmp_path, port=port, configured=True) as second:
        second.wait_for("READY=1")
        assert second.says("run 1 was cut off by a crash")
        wait_until(lambda: second.status().get("next_start") is not None)
        told = second.told()
        assert abs(told["next_start"] - due) < 0.01 and told["phase"] == "idle"
        with open_store(first.store) as store:
            assert store.run().status == "interrupted"
        wait_until(lambda: pid is None or start_time_of(pid) is None)


def test_two_daemons_do_not_share_a_store(tmp_path: Path) -> None:
    """The second ends at once with the number of the first, exit 4; `soak run` beside it is allowed by design."""
    with service(tmp_path, **LONG) as daemon:
        daemon.wait_for("READY=1")
        second = subprocess.run(soak_command("daemon"), cwd=tmp_path, capture_output=True, text=True, timeout=LONG_S)
        assert second.returncode == 4 and f"process {daemon.process.pid}" in second.stderr


def test_what_no_daemon_can_live_by_is_refused(tmp_path: Path) -> None:
    """No schedule, an impossible cron, an address for everybody without a token: exit 2, each by its key."""
    configure(tmp_path, 1, web={"listen": "0.0.0.0:8765"})
    text = (tmp_path / "soak.toml").read_text()
    (tmp_path / "soak.toml").write_text(text.replace('every = "1h"', 'cron = "0 99 * * *"'))
    done = soak(tmp_path, "daemon")
    assert done.code == 2 and "schedule.cron" in done.err and "web.listen" in done.err
    (tmp_path / "soak.toml").write_text(text.replace('every = "1h"', ""))
    assert "the daemon needs to know when to soak" in soak(tmp_path, "daemon").err


@pytest.mark.parametrize("load", ["", "[load]\ncycles = 40\n"])
def test_the_schedule_that_a_refusal_proposes_is_accepted(tmp_path: Path, load: str) -> None:
    """Also for a soak of 40 hours, which no daily schedule fits."""
    file = tmp_path / "soak.toml"
    file.write_text('[target]\ncommand = ["true"]\nurl = "http://127.0.0.1:8000"\n' + load)
    with pytest.raises(ConfigError) as refused:
        checked(load_config(file, environ={}))
    proposed = re.search('every = "[^"]+"', str(refused.value))
    assert proposed is not None
    file.write_text(f"{file.read_text()}[schedule]\n{proposed[0]}\n")
    assert checked(load_config(file, environ={})).schedule.every is not None


def test_a_web_port_that_is_taken_stops_no_soak(tmp_path: Path) -> None:
    """The web part is started again and again, and that is said; the run goes on."""
    import socket

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        service(tmp_path, port=taken.getsockname()[1], **LONG) as daemon,
    ):
        daemon.wait_for("STATUS=run 1 of guest")
        wait_until(lambda: daemon.says("part web failed and is started again"))
