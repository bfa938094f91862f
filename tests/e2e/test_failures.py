"""Targets that fail, and soak itself killed: one clear message, what was sampled is kept, nothing is left running."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from soak_storage import open_store
from tests.common import free_port, wait_until

from .soaking import ENDLESS, GUEST, LONG_S, Done, leftovers, running, soak, write_config


def message(done: Done) -> str:
    """The complaint on stderr, which has to be there once and without a traceback."""
    assert "Traceback" not in done.err + done.out
    return done.err


def test_a_target_that_does_not_start(tmp_path: Path) -> None:
    """A command that ends at once is an error with its exit code and where its output is."""
    write_config(tmp_path, target={"command": [sys.executable, "-c", "import sys; sys.exit('no database')"]})
    done = soak(tmp_path, "run")
    assert done.code == 4
    assert message(done).count("no database") == 1
    assert done.out == "", "one message, not a report of nothing"


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """A misspelt command is an error that names it."""
    write_config(tmp_path, target={"command": ["no-such-server"]})
    done = soak(tmp_path, "run")
    assert done.code == 4
    assert "no-such-server" in message(done)


def test_a_target_on_another_port(tmp_path: Path) -> None:
    """A target that never answers at its url is an error that names the url."""
    url = f"http://127.0.0.1:{free_port()}"
    write_config(tmp_path, target={"url": url, "startup_timeout": "2s"})
    done = soak(tmp_path, "run")
    assert done.code == 4
    assert url.rpartition(":")[2] in message(done)


def test_a_report_file_that_cannot_be_written_is_refused_before_the_night(tmp_path: Path) -> None:
    """Nothing is started when the place for the report is not there or may not be written."""
    write_config(tmp_path)
    done = soak(tmp_path, "run", "--json", "none/report.json")
    assert done.code == 2
    assert "nothing was started" in message(done)
    assert not (tmp_path / "soak.db").exists()


def test_a_scenario_function_that_is_not_there(tmp_path: Path) -> None:
    """What the load refuses is refused before the target is started; the failed run is what `soak check` then tells."""
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace('path = "/work"', 'kind = "python"\nfunction = "none.py:buy"'))
    done = soak(tmp_path, "run")
    assert done.code == 4
    assert "none.py" in message(done)
    assert not (tmp_path / "soak-runs").exists()
    assert soak(tmp_path, "check").code == 4


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Somebody else's server is never soaked."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        write_config(tmp_path, target={"url": f"http://127.0.0.1:{port}", "env": {"PORT": str(port)}})
        done = soak(tmp_path, "run")
    assert done.code == 4
    assert str(port) in message(done)


def test_a_target_that_dies_in_cycle_two(tmp_path: Path) -> None:
    """The run ends with an error that says when and how; its samples are kept and reported."""
    write_config(tmp_path, target={"env": {"DIE_AFTER": "6"}})
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.code == 4
    with open_store(f"sqlite:///{tmp_path / 'soak.db'}") as store:
        (ended,) = [event for event in store.events(store.run(None).id) if event.kind == "exit"]
    cycle = int(ended.t0 // 4.0) + 1
    assert cycle >= 2 and f"cycle {cycle}" in message(done) and "exit code 7" in done.err
    assert done.report is not None
    assert done.report["verdict"] == "error"
    assert done.report["run"]["status"] == "failed"
    rss = next(item for item in done.report["series"] if item["name"] == "rss")
    assert rss["samples"] > 0


def test_a_target_that_refuses_connections(tmp_path: Path) -> None:
    """A target that lives but takes no more connections ends the run after a cycle without a single answer."""
    write_config(tmp_path, target={"env": {"CLOSE_AFTER": "3.5"}}, load={"cycle": "3s", "quiet": "1s", "cycles": 30})
    path = tmp_path / "soak.toml"
    path.write_text(path.read_text().replace("http://", "http://me:hunter2url@"))
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.code == 4
    assert "refused" in message(done)
    assert "hunter2url" not in done.err + done.out
    assert done.report is not None
    assert done.report["verdict"] == "error"
    assert 1 <= done.report["run"]["cycles"] < 30


def landed_samples(folder: Path) -> int:
    """How many rss samples of the only run are stored."""
    if not (folder / "soak.db").exists():
        return 0
    with open_store(f"sqlite:///{folder / 'soak.db'}") as store:
        if not store.runs():
            return 0
        run = store.run(None)
        series = [item for item in store.series(run.id) if item.name == "rss" and item.process == "total"]
        return len(store.samples(series[0].id)[0]) if series else 0


def test_kill_nine_leaves_nothing_running_and_keeps_what_was_stored(tmp_path: Path) -> None:
    """After kill -9 of soak nothing that it started is alive, and the run is shown as interrupted."""
    write_config(tmp_path, load=ENDLESS)
    with running(tmp_path, "run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        wait_until(lambda: landed_samples(tmp_path) > 5, LONG_S)
        started.kill()
    wait_until(lambda: not leftovers(tmp_path))
    shown = soak(tmp_path, "report", "--format", "json", "-o", "report.json")
    assert shown.code == 0, shown.err
    assert shown.report is not None
    assert shown.report["run"]["status"] == "interrupted"
    assert next(item for item in shown.report["series"] if item["name"] == "rss")["samples"] > 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_judges_and_reports(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends the run in order: its samples are judged and printed, exit code 130."""
    write_config(tmp_path, load=ENDLESS)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(tmp_path, "run", "--json", "report.json", **pipes) as started:
        wait_until(lambda: landed_samples(tmp_path) > 5, LONG_S)
        started.send_signal(number)
        out, err = started.communicate(timeout=LONG_S)
    assert started.returncode == 130, err
    assert b"interrupted" in out
    assert (tmp_path / "report.json").exists()
    wait_until(lambda: not leftovers(tmp_path))


def test_secrets_are_nowhere(tmp_path: Path) -> None:
    """Passwords in command line, environment, headers and URLs are in no file that soak leaves and in no output."""
    secrets = ["hunter2cmd", "hunter2env", "hunter2hdr", "hunter2url", "hunter2var"]
    path = write_config(
        tmp_path,
        target={
            "command": [sys.executable, str(GUEST), "--password=hunter2cmd"],
            "env": {
                "API_TOKEN": "hunter2env",
                "DATABASE_URL": "postgresql://me:hunter2url@db/x",
                "MORE": "${MY_SECRET}",
            },
        },
        load={"cycles": 1},
    )
    path.write_text(path.read_text() + 'headers = { Authorization = "Bearer hunter2hdr" }\n')
    done = soak(tmp_path, "-v", "run", "--json", "report.json", env={"MY_SECRET": "hunter2var"})
    assert done.report is not None
    text = done.out + done.err
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "soak.toml":
            text += file.read_bytes().decode("latin-1")
    assert [secret for secret in secrets if secret in text] == []


def test_a_target_with_modules_of_our_names(tmp_path: Path) -> None:
    """A target with its own `storage`, `probes` and `logging` runs unchanged; so does soak, with PYTHONPATH=. there."""
    app = tmp_path / "app"
    app.mkdir()
    for package in (tmp_path / "storage", tmp_path / "probes", app / "soak_agent"):
        package.mkdir()
        (package / "__init__.py").write_text("MINE = True\n")
    (app / "logging.py").write_text("MINE = True\n")
    checks = "import logging, sys\nsys.path.insert(1, '..')\nimport storage, probes, soak_agent\n"
    checks += "assert logging.MINE and storage.MINE and probes.MINE and soak_agent.MINE\n"
    main = 'if __name__ == "__main__":'
    (app / "server.py").write_text(GUEST.read_text().replace(main, f"{main}\n    exec({checks!r})", 1))
    write_config(tmp_path, target={"command": [sys.executable, "server.py"], "cwd": "app"}, load={"cycles": 2})
    done = soak(tmp_path, "run", "--json", "report.json", env={"PYTHONPATH": "."})
    assert done.report is not None, done.err
    assert done.report["verdict"] == "inconclusive", done.err
    assert done.report["run"]["target"]["python"], "the agent was not there"


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C twice does not wait for anybody; the run is closed, its samples are kept, nothing is left running."""
    write_config(tmp_path, load=ENDLESS)
    with running(tmp_path, "run", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as started:
        wait_until(lambda: landed_samples(tmp_path) > 5, LONG_S)
        started.send_signal(signal.SIGSTOP)  # both signals arrive together, whatever the machine is doing
        started.send_signal(signal.SIGINT)
        started.send_signal(signal.SIGTERM)
        started.send_signal(signal.SIGCONT)
        _, err = started.communicate(timeout=LONG_S)
    assert started.returncode == 130, err
    wait_until(lambda: not leftovers(tmp_path))
    with open_store(f"sqlite:///{tmp_path / 'soak.db'}") as store:
        assert store.run(None).status == "interrupted"
    assert landed_samples(tmp_path) > 5
