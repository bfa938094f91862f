"""Attached to what runs already: a gunicorn of four workers by port, pid file and pattern; a target of another user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.common import PATIENCE_S, accepts, free_port, wait_until

from .soaking import GUEST, Done, soak, soak_command, write_config
from .test_restarts import events

OTHER_USER = 65534
SHORT = {"cycle": "5s", "cycles": 3, "quiet": "2s"}
APP = """
import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def attach_by(folder: Path, port: int, way: str) -> Path:
    """A soak.toml that names what runs in `way`, a line of [target]."""
    path = write_config(folder, target={"url": f"http://127.0.0.1:{port}"}, load=SHORT)
    kept = [line for line in path.read_text().splitlines() if not line.startswith(("command", "env", "ready"))]
    path.write_text("\n".join(kept).replace("[target]", f"[target]\n{way}") + "\n")
    return path


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gunicorn in an environment of its own, from the package index."""
    home = tmp_path_factory.mktemp("gunicorn")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [home / "bin/pip", "install", "-q", "gunicorn"]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"gunicorn cannot be installed here: {done.stderr[-200:]}")
    return home / "bin/gunicorn"


@pytest.fixture
def serve(gunicorn: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[int, int]]]:
    """Start its master with four workers; (pid of the master, port)."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> tuple[int, int]:
        (tmp_path / "app.py").write_text(APP)
        port = free_port()
        command = [gunicorn, "-w", "4", "-b", f"127.0.0.1:{port}", "--pid", "app.pid", *options, "app:app"]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL))
        children = Path(f"/proc/{started[0].pid}/task/{started[0].pid}/children")
        wait_until(lambda: len(children.read_text().split()) == 4 and (tmp_path / "app.pid").exists())
        return started[0].pid, port

    yield start
    for process in started:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["port = PORT", 'pid_file = "app.pid"', 'process = "gunicorn.*PORT"'])
def test_a_gunicorn_with_four_workers_is_found(serve: Callable[..., tuple[int, int]], tmp_path: Path, way: str) -> None:
    """The master and its workers are one target: summed in the totals, and each under its own pid and role."""
    master, port = serve()
    attach_by(tmp_path, port, way.replace("PORT", str(port)))
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.report is not None and done.code == 3, done.err
    assert done.report["run"]["target"]["pids"] == [master]
    values = {(row["name"], row["process"]): row for row in done.report["series"]}
    single = {process: row["floor"] for (name, process), row in values.items() if name == "rss" and process != "total"}
    assert sorted(process.partition(":")[2] for process in single) == ["main", *["worker"] * 4]
    assert f"{master}:main" in single
    assert values["rss", "total"]["floor"] == pytest.approx(sum(single.values()), rel=0.05)
    assert values["children", "total"]["floor"] == 4
    assert Path(f"/proc/{master}").exists(), "what soak did not start it does not end"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_that_gunicorn_replaces_are_noted(serve: Callable[..., tuple[int, int]], tmp_path: Path) -> None:
    """--max-requests ends a leak with its worker: said while it runs, in the report, and stored for each worker."""
    _, port = serve("--max-requests", "20")
    attach_by(tmp_path, port, f"port = {port}")
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.report is not None, done.err
    assert "hidden" in done.err and len(events(tmp_path, "recycled")) >= 2
    assert "workers_recycled" in {one["code"] for one in done.report["evidence"]}


@pytest.fixture
def foreigner(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The guest as another user; (pid, port)."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if os.geteuid() != 0 or shutil.which("setpriv") is None or python is None:
        pytest.skip("needs root, setpriv and a Python that every user may run")
    port = free_port()
    shutil.copy(GUEST, tmp_path)
    user = ["setpriv", f"--reuid={OTHER_USER}", f"--regid={OTHER_USER}", "--clear-groups", python, "-"]
    process = subprocess.Popen(user, stdin=subprocess.PIPE, env={"PORT": str(port)})
    assert process.stdin is not None
    process.stdin.write(GUEST.read_bytes())
    process.stdin.close()
    try:
        wait_until(lambda: accepts(port))
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def unprivileged(folder: Path, *args: str) -> Done:
    """soak as root without capabilities, as in most containers: it may not look into other users' processes."""
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *soak_command(*args)]
    done = subprocess.run(
        bare, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr, None)


def test_a_target_of_another_user_has_gaps_that_are_said(foreigner: tuple[int, int], tmp_path: Path) -> None:
    """What the kernel refuses is a gap with its mend, in the doctor and in the report; the rest is sampled."""
    pid, port = foreigner
    path = attach_by(tmp_path, port, f"pid = {pid}")
    path.write_text(path.read_text().replace('"5s"', '"2s"').replace('quiet = "2s"', 'quiet = "700ms"'))
    doctor = unprivileged(tmp_path, "doctor")
    assert re.search(rf"warn +target +user +uid {OTHER_USER}, soak is 0: .*are gaps\n +mend: Soak as uid", doctor.out)
    done = unprivileged(tmp_path, "run")
    text = " ".join(done.out.split())
    assert "sockets, swap, tmp_bytes, tmp_files, uss of the target may not be read by this user" in text, done.err
    assert "give soak CAP_SYS_PTRACE" in text
    assert re.search(r"rss +[-+\d]", done.out), "memory is not refused"


def test_who_listens_may_be_hidden_and_that_is_said(foreigner: tuple[int, int], tmp_path: Path) -> None:
    """By port, the owner of the socket has to be seen: the message says that it is a matter of rights."""
    _, port = foreigner
    attach_by(tmp_path, port, f"port = {port}")
    done = unprivileged(tmp_path, "run")
    assert done.code == 4 and f"port {port}: who listens there may not be seen by this user" in done.err
    assert "Traceback" not in done.err
