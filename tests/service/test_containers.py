"""The image, built from its Dockerfile and run by podman; see containers/prepare.sh for what that takes."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent / "containers"
CACHE = Path(os.environ.get("SOAK_TEST_CACHE") or Path.home() / ".cache/soak-tests")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with everything that inside.sh saw."""
    for program in ("debootstrap", "apt-get", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0 or platform.machine() != "x86_64" or sys.version_info[:2] != (3, 11):
        pytest.skip("mounting overlays and running containers takes root on x86_64, the image Python 3.11")
    done = subprocess.run([HERE / "prepare.sh", CACHE, sys.base_prefix], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"podman or the root of the base image could not be fetched: {done.stderr[-300:]}")
    out = tmp_path_factory.mktemp("seen")
    source = out / "source"  # as committed: what is built is what a stranger would build
    subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(source)], check=True)
    soak = Path(sys.executable).with_name("soak")
    inside = [str(HERE / "inside.sh"), str(source), str(out), str(soak)]
    command = ["unshare", "-m", str(HERE / "apart.sh"), str(CACHE / "podman"), *inside]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    logs = "".join(one.read_text()[-3000:] for one in sorted(out.glob("*.log")))
    assert done.returncode == 0, logs + done.stderr[-1000:]
    return out


def report(path: Path) -> dict[str, Any]:
    """A report.json."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_it_soaks_beside_a_target(seen: Path) -> None:
    """One process namespace: the target's memory and descriptors are seen, and that it leaks."""
    found = report(seen / "beside.json")
    assert found["verdict"] == "leak" and found["run"]["status"] == "completed"
    assert {"rss", "uss", "fds", "sockets", "threads"} <= {one["name"] for one in found["series"]}


def test_it_needs_no_root_and_no_writable_image(seen: Path) -> None:
    """uid 10001, nothing but the state may be written, and SIGTERM ends it in order."""
    assert (seen / "uid").read_text().strip() == "10001"
    assert (seen / "written").read_text().strip() == "state"
    assert (seen / "stopped").read_text().strip() == "0"


def test_its_health_check_passes(seen: Path) -> None:
    """The one of the Dockerfile, run inside."""
    assert json.loads((seen / "healthcheck").read_text()) == ["CMD", "soak", "status", "-q"]
    assert (seen / "health").read_text().strip() == "0"


def test_it_attaches_to_a_container_from_outside(seen: Path) -> None:
    """By name, by short and by long id: the container's process, its control group's memory; it is left alive."""
    pid = int((seen / "pid").read_text())
    for folder in ("6", "12", "64"):
        found = report(seen / "from-outside" / folder / "report.json")
        assert found["run"]["status"] == "completed" and found["run"]["target"]["pids"] == [pid]
        assert "cgroup.working_set" in {one["name"] for one in found["series"]}
    assert (seen / "lives").read_text() == "yes\n"


def test_it_soaks_in_a_pod_that_shares_its_processes(seen: Path) -> None:
    """As the sidecar of deploy/kubernetes does."""
    found = report(seen / "pod.json")
    assert found["run"]["status"] == "completed" and "rss" in {one["name"] for one in found["series"]}
