"""Attaching to what runs already, by every way there is to name it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.attach import AttachedTarget, find_target
from soak.config import Target as TargetSettings
from soak.errors import SoakError
from soak_probes import start_time_of
from soak_probes.find import Finder
from tests.common import PATIENCE_S, free_port, wait_until
from tests.target.conftest import delivered, gone

SERVE = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(1); time.sleep(600)"


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that listens on a port, and the port."""
    port = free_port()
    command = [sys.executable, "-S", "-u", "-c", SERVE, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process, port
        process.kill()


def attached(settings: TargetSettings, tmp_path: Path) -> AttachedTarget:
    """Attach to it."""
    target = AttachedTarget(settings)
    target.start(tmp_path, {})
    return target


def test_by_pid(server: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    """Its pid and its start time, so that another process with the same number is not it."""
    process, port = server
    target = attached(TargetSettings(pid=process.pid, url=f"http://127.0.0.1:{port}"), tmp_path)
    target.wait_ready()
    assert target.roots == ((process.pid, start_time_of(process.pid)),)
    assert target.poll() is None
    assert not target.owned


def test_stop_leaves_it_alone(server: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    """What soak did not start it does not end."""
    process, _ = server
    target = attached(TargetSettings(pid=process.pid), tmp_path)
    target.stop()
    wait_until(lambda: delivered(process.pid))
    assert not gone(process.pid)


def test_its_end_is_seen(server: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    """Also while its parent has not yet waited for it; how it ended only the parent is told."""
    process, _ = server
    target = attached(TargetSettings(pid=process.pid), tmp_path)
    process.kill()
    wait_until(lambda: target.poll() is not None)
    end = target.poll()
    assert end is not None
    assert "goes to its parent" in end.message


def test_an_attached_one_that_does_not_answer(server: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    """It runs, but not where the url says."""
    process, _ = server
    settings = TargetSettings(pid=process.pid, url=f"http://127.0.0.1:{free_port()}", startup_timeout=0.1)
    with pytest.raises(SoakError) as caught:
        attached(settings, tmp_path).wait_ready()
    assert caught.value.code == "attached_not_ready"


def test_by_pid_file(server: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    """As daemons write it, with a line break."""
    process, _ = server
    (tmp_path / "app.pid").write_text(f"{process.pid}\n")
    assert find_target(TargetSettings(pid_file=tmp_path / "app.pid"))[0][0] == process.pid


def test_by_port(server: tuple[subprocess.Popen[str], int]) -> None:
    """Who listens there."""
    process, port = server
    assert find_target(TargetSettings(port=port)) == ((process.pid, start_time_of(process.pid)),)


def test_a_successor_is_found_again(server: tuple[subprocess.Popen[str], int], tmp_path: Path) -> None:
    """systemd restarted it: the pid file names another process; the same one is no successor."""
    process, _ = server
    path = tmp_path / "app.pid"
    path.write_text(str(process.pid))
    target = attached(TargetSettings(pid_file=path), tmp_path)
    assert not target.find_again()
    path.write_text(str(os.getpid()))
    assert target.find_again()
    assert target.roots[0][0] == os.getpid()
    path.unlink()
    assert not target.find_again()


class FakeHost:
    """A /proc on disk: processes with parents, command lines and control groups."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "net").mkdir()
        self.finder = Finder(str(root), own_pid=900)
        self.add(1, 0, "/sbin/init", "/init.scope")

    def add(self, pid: int, ppid: int, cmdline: str, group: str = "/user.slice") -> None:
        """One process."""
        folder = self.root / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (x) S {ppid} 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {pid * 10} 0 10\n")
        (folder / "cmdline").write_bytes(cmdline.replace(" ", "\0").encode() + b"\0")
        (folder / "cgroup").write_text(f"4:memory:{group}\n0::{group}\n")

    def find(self, **settings: object) -> list[int]:
        """The pids of the target."""
        return [pid for pid, _ in find_target(TargetSettings(**settings), self.finder)]


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """An almost empty machine."""
    return FakeHost(tmp_path)


def test_by_pattern_takes_the_master(host: FakeHost) -> None:
    """Master and workers of a pre-fork server match: one target. soak's own family matches too, and is left out."""
    host.add(50, 1, "gunicorn app:app")
    host.add(51, 50, "gunicorn app:app")
    host.add(800, 1, "bash -c soak\u00a0gunicorn")
    host.add(900, 800, "soak run -c gunicorn.toml")
    host.add(901, 900, "load-worker gunicorn")
    assert host.find(process="gunicorn") == [50]


def test_an_ambiguous_pattern_is_refused(host: FakeHost) -> None:
    """Two that have nothing to do with each other: which are they, and what to do."""
    host.add(50, 1, "gunicorn a")
    host.add(60, 1, "gunicorn b")
    with pytest.raises(SoakError) as caught:
        host.find(process="gunicorn")
    assert caught.value.code == "target_ambiguous"
    assert "process 50 (gunicorn), process 60 (gunicorn)" in caught.value.message
    assert host.find(process="gunicorn b$") == [60]


@pytest.mark.parametrize("unit", ["app", "app.service"])
def test_by_unit(host: FakeHost, unit: str) -> None:
    """All first processes of its control group; another unit that begins with the same letters is not it."""
    host.add(50, 1, "app", "/system.slice/app.service")
    host.add(51, 50, "app", "/system.slice/app.service/worker")
    host.add(52, 1, "helper", "/system.slice/app.service")
    host.add(60, 1, "app", "/system.slice/app.service.d")
    host.add(61, 1, "other", "/system.slice/my-app.service")
    assert host.find(unit=unit) == [50, 52]


ID = "4f1d0a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7"
OTHER = "a" * 64
UID = "2b5a8c1e-1111-2222-3333-444455556666"


@pytest.mark.parametrize(
    "group",
    [
        f"/system.slice/docker-{ID}.scope",
        f"/docker/{ID}",
        f"/machine.slice/libpod-{ID}.scope/container",
        f"/libpod_parent/libpod-{ID}",
        f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope",
        f"/kubepods/burstable/pod1/{ID}",
        f"/../cri-containerd-{ID}.scope",
        f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}",
    ],
)
@pytest.mark.parametrize("name", [ID, ID[:12]])
def test_by_container_id(host: FakeHost, group: str, name: str) -> None:
    """As docker, podman, containerd and Kubernetes name the groups, whole or by the usual twelve digits."""
    host.add(50, 1, "app", group)
    host.add(51, 50, "app", group)
    host.add(60, 1, "other", group.replace(ID, OTHER))
    assert host.find(container=name) == [50]


@pytest.mark.parametrize(
    "group",
    [
        f"/kubepods/burstable/pod{UID}/{ID}",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/x.scope",
    ],
)
def test_by_pod_uid(host: FakeHost, group: str) -> None:
    """Every container of the pod; systemd writes the uid with underscores."""
    host.add(50, 1, "app", group)
    host.add(60, 1, "other", group.replace("4444", "5555"))
    assert host.find(container=UID) == [50]


def test_by_container_name(
    host: FakeHost, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's own command is asked for the id; one that fails is passed over."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "docker").write_text("#!/bin/sh\nexit 1\n")
    (folder / "podman").write_text(f'#!/bin/sh\n[ "$4" = web ] && echo \'[{{"Id": "{ID}"}}]\'\n')
    for engine in ("docker", "podman"):
        (folder / engine).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("soak.attach._ENGINE_TIMEOUT", PATIENCE_S)
    host.add(50, 1, "app", f"/machine.slice/libpod-{ID}.scope")
    assert host.find(container="web") == [50]
    with pytest.raises(SoakError, match=re.escape("docker and podman do not know it")):
        host.find(container="db")
    monkeypatch.setenv("PATH", str(folder / "empty"))
    with pytest.raises(SoakError, match="no container engine here"):
        host.find(container="web")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"pid": 77}, "there is no such process"),
        ({"pid_file": Path("/nowhere/app.pid")}, "No such file"),
        ({"port": 1}, "nobody listens there"),
        ({"process": "no-such-thing"}, "no command line contains it"),
        ({"process": "("}, "no regular expression"),
        ({"unit": "missing"}, "no process is in its control group"),
        ({"container": "f" * 12}, "no process is in its control group"),
        ({"container": UID}, "no process is in its control group"),
    ],
)
def test_what_is_not_there(host: FakeHost, settings: dict[str, object], why: str) -> None:
    """Each with its own reason."""
    with pytest.raises(SoakError) as caught:
        host.find(**settings)
    assert caught.value.code == "target_not_found"
    assert why in caught.value.message


@pytest.mark.parametrize(("text", "why"), [("", "does not hold"), ("12 x", "does not hold"), ("77", "no such process")])
def test_a_pid_file_that_does_not_help(host: FakeHost, tmp_path: Path, text: str, why: str) -> None:
    """Empty, rubbish, or stale."""
    (tmp_path / "app.pid").write_text(text)
    with pytest.raises(SoakError, match=why):
        host.find(pid_file=tmp_path / "app.pid")


def test_a_port_of_somebody_unseen(host: FakeHost) -> None:
    """Somebody listens whom this user may not look at: not the same as nobody."""
    (host.root / "net" / "tcp").write_text("h\n 0: 00000000:1F40 00000000:0000 0A 0:0 0:0 0 0 0 5001 1\n")
    with pytest.raises(SoakError, match="may not be seen by this user"):
        host.find(port=8000)


def test_a_group_that_soak_is_in_is_not_the_target_s(
    server: tuple[subprocess.Popen[str], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In version 1 a unit may share its group with soak: taken for the target's, it would be the whole machine."""
    process, _ = server
    settings = TargetSettings(unit="orders.service")
    for pids, expected in (((process.pid,), tmp_path), ((process.pid, os.getpid()), None)):
        (tmp_path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        monkeypatch.setattr("soak.attach.controller_folder", lambda controller, pid: tmp_path)
        target = AttachedTarget(settings)
        target.take(((process.pid, start_time_of(process.pid) or 0),))
        assert target.group == expected and list(target.members()) == ([process.pid] if expected else [])
