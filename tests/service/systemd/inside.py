"""Runs as a unit in the booted container: installs soak's units as shipped, lives through their life, writes down what
happened to /out/result.json, and powers the container off. Standard library only."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

SRC, OUT, ETC = Path("/src"), Path("/out"), Path("/etc/soak")
UNITS = Path("/etc/systemd/system")
PYTHON = "/opt/python/bin/python3.11"
GUEST = f'["{PYTHON}", "/src/tests/targets/guest.py"]'


class Result(dict[str, Any]):
    """What happened so far; written down at once, so that a container that hangs leaves its last word."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        (OUT / "result.json").write_text(json.dumps(self, indent=1))


RESULT = Result()

COMMON = """
[load]
cycle = "4s"
cycles = 3
low = 5
high = 20
quiet = "1500ms"
timeout = "1s"
[schedule]
every = "20s"
[[scenario]]
name = "work"
path = "/work"
"""
COMMAND = f"""
[target]
name = "guest"
command = {GUEST}
env = {{ PORT = "8001" }}
url = "http://127.0.0.1:8001"
startup_timeout = "10s"
stop_timeout = "1s"
{COMMON}
"""
# Of an hour: the store hangs in the middle of a run, whose end would have a patience of its own.
LONG = COMMAND.replace("cycles = 3", "cycles = 900").replace('every = "20s"', 'every = "2h"')
UNIT = f"""
[target]
name = "orders"
unit = "orders.service"
url = "http://127.0.0.1:8002"
[web]
listen = "127.0.0.1:8766"
{COMMON}
"""
ORDERS = f"""
[Service]
User=orders
Environment=PORT=8002 PYTHONDONTWRITEBYTECODE=1
RuntimeDirectory=orders
Environment=PYTHONPATH=/src/probes/soak_agent/bootstrap SOAK_AGENT_DIR=/run/orders/soak-agent
ExecStart={PYTHON} /src/tests/targets/guest.py
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command with its output."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def show(unit: str, name: str) -> str:
    """One property of a unit."""
    return run("systemctl", "show", "-P", name, unit).stdout.strip()


def wait(what: str, condition: Callable[[], Any], timeout: float) -> float:
    """Seconds until it held; an error naming it if it did not."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(0.1)
    return time.monotonic() - began


def rows(store: Path, query: str) -> list[Any]:
    """What a store says; nothing while it is not there."""
    if not store.exists():
        return []
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)
    try:
        return connection.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()


def install() -> None:
    """The units as they are shipped; only the watchdog is made quicker."""
    ETC.mkdir()
    Path("/etc/ld.so.conf.d/soak-test.conf").write_text("/opt/python/lib\n")
    run("ldconfig")
    for name in ("soak.service", "soak@.service"):
        shutil.copy(SRC / "deploy/systemd" / name, UNITS / name)
        verified = run("systemd-analyze", "verify", str(UNITS / name))
        RESULT[f"verify {name}"] = verified.stderr + verified.stdout
    (UNITS / "soak.service.d").mkdir()
    (UNITS / "soak.service.d/quick.conf").write_text("[Service]\nWatchdogSec=5\nRestartSec=1\n")
    run("systemctl", "daemon-reload")


def soak_a_command() -> None:
    """Start, notify, soak, be killed by the watchdog while the store hangs, restart, go on, reload, stop."""
    (ETC / "soak.toml").write_text(LONG)
    store = Path("/var/lib/private/soak/soak.db")
    started = run("systemctl", "start", "soak")
    RESULT["start"] = started.stderr
    RESULT["active"] = show("soak", "ActiveState")
    RESULT["user"] = run("ps", "-o", "user=", "-p", show("soak", "MainPID")).stdout.strip()
    wait("soaking", lambda: show("soak", "StatusText").startswith("run 1 of guest"), 60)
    RESULT["status_text"] = show("soak", "StatusText")
    wait("samples", lambda: rows(store, "SELECT 1 FROM samples LIMIT 1"), 30)
    first = show("soak", "MainPID")
    with sqlite3.connect(store, isolation_level=None) as hanging:
        hanging.execute("BEGIN EXCLUSIVE")
        (ETC / "soak.toml").write_text(COMMAND)  # for the daemon that comes after
        RESULT["killed_after"] = wait("watchdog", lambda: show("soak", "MainPID") != first, 120)
    hanging.close()
    RESULT["killed_by"] = run("journalctl", "-u", "soak", "-o", "cat").stdout.count("Watchdog timeout")
    wait("restart", lambda: show("soak", "ActiveState") == "active" and show("soak", "StatusText"), 60)
    RESULT["restarts"] = show("soak", "NRestarts")
    wait("a whole run", lambda: rows(store, "SELECT 1 FROM runs WHERE status = 'completed'"), 120)
    RESULT["runs"] = rows(store, "SELECT id, status, verdict FROM runs ORDER BY id")
    RESULT["reload"] = run(*str.split("systemctl reload"), "soak").stderr
    began = time.monotonic()
    run("systemctl", "stop", "soak")
    RESULT["stopped_in"] = time.monotonic() - began
    RESULT["result"] = show("soak", "Result")
    RESULT["left"] = run("pgrep", "-f", "guest.py|soak").stdout.split()


def soak_a_unit() -> None:
    """The template beside another unit, as that unit's user."""
    run("useradd", "--system", "orders")
    (UNITS / "orders.service").write_text(ORDERS)
    (UNITS / "soak@orders.service.d").mkdir()
    (UNITS / "soak@orders.service.d/user.conf").write_text("[Service]\nUser=orders\n")
    (ETC / "orders.toml").write_text(UNIT)
    run("systemctl", "daemon-reload")
    RESULT["unit start"] = run("systemctl", "start", "orders", "soak@orders").stderr
    found = list(Path("/var/lib").glob("**/soak-orders/soak.db"))
    wait("a store", lambda: found or found.extend(Path("/var/lib").glob("**/soak-orders/soak.db")), 30)
    wait("a run", lambda: rows(found[0], "SELECT 1 FROM runs WHERE status = 'completed'"), 90)
    RESULT["unit runs"] = rows(found[0], "SELECT id, status, verdict FROM runs ORDER BY id")
    RESULT["unit series"] = sorted(
        name for (name,) in rows(found[0], "SELECT DISTINCT name FROM series JOIN samples ON series_id = id")
    )
    RESULT["unit readings"] = rows(found[0], "SELECT count(*) FROM readings")[0][0]
    pids = rows(found[0], "SELECT DISTINCT pid FROM processes")
    RESULT["unit pid"] = [[pid for (pid,) in pids], int(show("orders", "MainPID"))]
    run("systemctl", "stop", "soak@orders")
    RESULT["unit result"] = show("soak@orders", "Result")
    RESULT["unit target lives"] = show("orders", "ActiveState")


def main() -> None:
    """Everything; a fault of ours is part of the result."""
    try:
        install()
        soak_a_command()
        soak_a_unit()
    except Exception:  # what went wrong has to reach the test outside
        RESULT["error"] = traceback.format_exc()
    journal = run("journalctl", "-b", "-o", "short-monotonic", "--no-pager", "-u", "soak", "-u", "soak@orders")
    (OUT / "journal.txt").write_text(journal.stdout)
    run("systemctl", "poweroff", "--force")


if __name__ == "__main__":
    main()
