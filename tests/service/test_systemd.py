"""The units under a systemd that was really booted, in a container; see systemd/prepare.sh for what that takes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy/systemd"
HERE = Path(__file__).parent / "systemd"
CACHE = Path(os.environ.get("SOAK_TEST_CACHE") or Path.home() / ".cache/soak-tests")

SOAK = """#!/bin/sh
export PYTHONPATH=/src:/src/probes:/src/storage:/opt/site PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3.11 -P -m soak "$@"
"""
TEST_UNIT = """[Unit]
After=basic.target dbus.service
FailureAction=poweroff-force
[Service]
Type=oneshot
TimeoutStartSec=600
Environment=PYTHONDONTWRITEBYTECODE=1 LD_LIBRARY_PATH=/opt/python/lib
ExecStart=/opt/python/bin/python3.11 /src/tests/service/systemd/inside.py
"""

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@needs_analyze
@pytest.mark.parametrize("unit", ["soak.service", "soak@.service"])
def test_exposure_is_at_most_three(unit: str) -> None:
    """`systemd-analyze security` gives the unit as it is shipped 3.0 of 10 at most."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=30", str(DEPLOY / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-400:]


@needs_analyze
@pytest.mark.parametrize("unit", ["soak.service", "soak@.service"])
def test_no_start_is_the_last_while_the_store_is_away(unit: str, tmp_path: Path) -> None:
    """However often it fails it is started again, but for a configuration that is refused; systemd knows every key."""
    text = (DEPLOY / unit).read_text()
    keys = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    asked = ("StartLimitIntervalSec", "StartLimitBurst", "Restart", "RestartPreventExitStatus")
    assert [keys.get(key) for key in asked] == ["0", None, "on-failure", "2"]
    (tmp_path / unit).write_text(text.replace("/usr/local/bin/soak", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def prepared() -> Path:
    """The folder with systemd-nspawn and the root; what is missing is fetched."""
    for program in ("debootstrap", "apt-get", "dpkg"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0 or platform.machine() != "x86_64":
        pytest.skip("booting a container takes root on x86_64")
    done = subprocess.run([HERE / "prepare.sh", CACHE], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"what is booted could not be fetched: {done.stderr[-300:]}")
    return CACHE


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Boot, let inside.py live through it, and read what it wrote down."""
    cache = prepared()
    out = tmp_path_factory.mktemp("out")
    extra = tmp_path_factory.mktemp("extra")
    (extra / "soak").write_text(SOAK)
    (extra / "soak").chmod(0o755)
    (extra / "soak-test.service").write_text(TEST_UNIT)
    library = next((cache / "nspawn").rglob("libsystemd-shared-*.so")).parent
    command = [
        str(cache / "nspawn/usr/bin/systemd-nspawn"),
        *("--register=no", "--keep-unit", "--boot", "--quiet", "--volatile=overlay", "-D", str(cache / "root")),
        *(f"--bind-ro={REPOSITORY}:/src", f"--bind-ro={sys.base_prefix}:/opt/python"),
        f"--bind-ro={sysconfig.get_path('purelib')}:/opt/site",
        *(f"--bind-ro={extra}/soak:/usr/local/bin/soak", f"--bind={out}:/out"),
        f"--bind-ro={extra}/soak-test.service:/etc/systemd/system/soak-test.service",
    ]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    with (out / "boot.log").open("wb") as log:
        subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=600, check=False
        )
    result = out / "result.json"
    assert result.exists(), (out / "boot.log").read_text(errors="replace")[-3000:]
    found: dict[str, Any] = json.loads(result.read_text())
    journal = (out / "journal.txt").read_text()
    assert "error" not in found, f"{found['error']}\n{journal[-6000:]}"
    return found


@pytest.mark.slow
def test_the_units_are_clean(life: dict[str, Any]) -> None:
    """`systemd-analyze verify` returns 0 on unknown keys, so what it says counts: nothing."""
    assert life["verify soak.service"] == "" and life["verify soak@.service"] == ""


@pytest.mark.slow
def test_it_starts_and_notifies(life: dict[str, Any]) -> None:
    """Type=notify: active once it is ready; a status that names run and cycle; not as root."""
    assert life["start"] == "" and life["active"] == "active"
    assert life["status_text"].startswith("run 1 of guest: cycle ")
    assert life["user"] not in ("root", "")


@pytest.mark.slow
def test_the_watchdog_kills_it_when_the_store_hangs_and_it_goes_on(life: dict[str, Any]) -> None:
    """The store is locked by somebody else: no sample is stored, no sign of life, SIGABRT, restart, a whole run."""
    assert life["killed_by"] >= 1 and int(life["restarts"]) >= 1
    statuses = [status for _, status, _ in life["runs"]]
    assert statuses[0] == "interrupted" and "completed" in statuses
    assert all(verdict != "clean" for _, status, verdict in life["runs"] if status == "interrupted")


@pytest.mark.slow
def test_it_reloads_and_stops(life: dict[str, Any]) -> None:
    """Both without a complaint, the stop within TimeoutStopSec, and nothing is left behind."""
    assert life["reload"] == "" and life["result"] == "success" and life["stopped_in"] < 60
    assert life["left"] == []


@pytest.mark.slow
def test_it_soaks_another_unit_as_its_user(life: dict[str, Any]) -> None:
    """soak@orders sees the process of orders.service with its descriptors, and leaves it alive.

    The agent that orders.service starts is read: the two see one /run, as the head of soak@.service says.
    """
    assert sorted({status for _, status, _ in life["unit runs"]} & {"completed"}) == ["completed"]
    pids, main = life["unit pid"]
    assert pids == [main]  # and nobody who only shares a control group with it
    assert life["unit target lives"] == "active" and life["unit result"] == "success"
    assert {"rss", "fds", "fds.socket", "threads"} <= set(life["unit series"])
    assert life["unit readings"] >= 1
