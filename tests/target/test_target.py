"""Launching a target: a clean process, ready when it answers, and one clear message when it is not."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from soak.config import Target as TargetSettings
from soak.errors import SoakError
from soak.launch.ending import Exit, signal_name
from soak.launch.logfile import TargetLog
from soak.target import AttachedTarget, TargetProcess, make_target
from soak_probes import ProcessTree, start_time_of
from tests.common import accepts, free_port, wait_until
from tests.target.conftest import Launch, gone, said

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path.rpartition("/")[2])); self.end_headers()
    def log_message(self, *args): pass
print("listening")
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""
SLEEP = "import time; print('up'); time.sleep(600)"


def test_ready_when_the_path_answers(launch: Launch) -> None:
    """Below 500: a 404 is an answer of a server that is up."""
    port = free_port()
    target = launch(SERVER.format(port=port), url=f"http://127.0.0.1:{port}", ready="/404")
    target.wait_ready()
    assert target.poll() is None
    ((pid, start_time),) = target.roots
    assert start_time_of(pid) == start_time


def test_ready_when_the_port_accepts(launch: Launch) -> None:
    """Without a ready path; the server answers 500 to everything and is up all the same."""
    port = free_port()
    launch(SERVER.format(port=port), url=f"http://127.0.0.1:{port}").wait_ready()


def test_an_answer_of_500_is_not_ready(launch: Launch) -> None:
    """The message says what was asked, how long it was waited, and what the target printed last."""
    port = free_port()
    target = launch(SERVER.format(port=port), url=f"http://127.0.0.1:{port}", ready="/503", startup_timeout=0.5)
    said(target)
    with pytest.raises(SoakError) as caught:
        target.wait_ready()
    assert caught.value.code == "target_not_ready"
    assert "0.5 s" in caught.value.message
    assert "/503" in caught.value.message
    assert "| listening" in caught.value.message


def test_a_wrong_port_is_not_ready(launch: Launch) -> None:
    """It listens elsewhere than the url says, or nowhere: the message has the port that it does listen on."""
    target = launch(SLEEP, url=f"http://127.0.0.1:{free_port()}", startup_timeout=0.2)
    with pytest.raises(SoakError, match=r"accepts no connection\. The"):
        target.wait_ready()
    port = free_port()
    target = launch(SERVER.format(port=port), url=f"http://127.0.0.1:{free_port()}", startup_timeout=0.2)
    wait_until(lambda: accepts(port))
    with pytest.raises(SoakError, match=f"accepts no connection; it listens on port {port}"):
        target.wait_ready()


def test_a_taken_port_is_refused_before_the_start(launch: Launch) -> None:
    """Never soak somebody else's server: the message names who has the port, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        target = launch(SLEEP, start=False, url=f"http://127.0.0.1:{port}")
        with pytest.raises(SoakError) as caught:
            target.start(Path("/nowhere"), {})
    assert caught.value.code == "port_taken"
    assert f"Port {port}" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message
    assert target.roots == ()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("print('no database'); raise SystemExit(3)", "exit code 3"),
        ("import os; print('no database'); os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
    ],
)
def test_death_while_starting(launch: Launch, code: str, why: str) -> None:
    """Exit code or signal, with the last lines it printed."""
    target = launch(code, url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SoakError) as caught:
        target.wait_ready()
    assert caught.value.code == "target_died_starting"
    assert why in caught.value.message
    assert "| no database" in caught.value.message


def test_without_a_url_it_must_live_for_a_moment(launch: Launch) -> None:
    """Nothing can be asked: at first it is not ready, after half a second it is; but one that has ended is told."""
    target = launch(SLEEP)
    assert not target.ready(0.0) and target.ready(0.5)
    ended = launch("")
    wait_until(lambda: ended.poll() is not None)
    with pytest.raises(SoakError, match="exit code 0"):
        ended.wait_ready()


@pytest.mark.parametrize(
    ("command", "cwd", "why"),
    [
        (("no-such-program-4711",), ".", "there is no such program on PATH"),
        (("./script",), ".", "a script needs a first line"),
        (("./data",), ".", "Permission denied"),
        (("true",), "missing", "its folder"),
    ],
)
def test_what_cannot_be_started(launch: Launch, tmp_path: Path, command: tuple[str, ...], cwd: str, why: str) -> None:
    """Each reason in words; the child that failed is not mistaken for the target."""
    (tmp_path / "script").write_text("echo no first line")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "data").touch(0o600)
    target = launch(command, start=False, cwd=tmp_path / cwd)
    with pytest.raises(SoakError) as caught:
        target.start(tmp_path / "run", {})
    assert caught.value.code == "target_not_started"
    assert why in caught.value.message


def test_the_message_does_not_repeat_arguments(launch: Launch, tmp_path: Path) -> None:
    """They can hold passwords, and messages are stored."""
    target = launch(("no-such-program-4711", "--password=secret"), start=False)
    with pytest.raises(SoakError) as caught:
        target.start(tmp_path / "run", {})
    assert "secret" not in str(caught.value)


def test_a_clean_process(launch: Launch, tmp_path: Path) -> None:
    """Own session and group, nothing inherited but 0 to 2, no signal ignored or blocked, its own folder."""
    target = launch(
        """
        import json, os, signal
        status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        print(json.dumps({
            "session": os.getsid(0) == os.getpgid(0) == os.getpid(), "cwd": os.getcwd(),
            "fds": [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n in "012"],
            "count": len(os.listdir("/proc/self/fd")), "blocked": int(status["SigBlk"], 16),
            "hup": signal.getsignal(signal.SIGHUP) is signal.SIG_DFL, "term": signal.getsignal(15) is signal.SIG_DFL,
        }))
        """
    )
    found = json.loads(said(target)[0])
    assert found.pop("fds") == ["/dev/null", str(target.log_path), str(target.log_path)]
    assert found == {"session": True, "cwd": str(tmp_path), "count": 4, "blocked": 0, "hup": True, "term": True}


def test_its_environment(launch: Launch) -> None:
    """soak's without what is soak's or what systemd gave to soak, then [target] env, then the agent's."""
    environ = {
        "PATH": os.environ["PATH"],
        "A": "1",
        "B": "1",
        "SOAK_STORE": "x",
        "NOTIFY_SOCKET": "y",
        "LISTEN_FDS": "1",
    }
    target = launch(
        "import json, os; print(json.dumps(dict(os.environ)))", start=False, environ=environ, env={"B": "2", "C": "2"}
    )
    target.start(Path(target._settings.cwd) / "run", {"C": "3", "SOAK_AGENT_DIR": "/agents"})
    found = json.loads(said(target)[0])
    found.pop("LC_CTYPE", None)  # Python's own doing in a C locale
    assert found == {"PATH": os.environ["PATH"], "A": "1", "B": "2", "C": "3", "SOAK_AGENT_DIR": "/agents"}


def test_the_log_is_private(launch: Launch) -> None:
    """Targets print passwords: 0600 in a folder of 0700; both streams go there."""
    target = launch("import sys; print('out'); print('err', file=sys.stderr)")
    assert said(target, 2) == ["out", "err"]
    assert target.log_path is not None
    assert stat.S_IMODE(target.log_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.log_path.parent.stat().st_mode) == 0o700


def test_a_log_that_grows_is_cut(tmp_path: Path) -> None:
    """Above the limit the end is moved away, and who holds it open for appending goes on from nothing."""
    log = TargetLog(tmp_path / "run" / "target.log", limit=1000, keep=100)
    log.begin()
    with log.path.open("a") as writer:
        writer.write("x" * 1000)
        writer.flush()
        assert not log.bound()
        writer.write("y" * 100)
        writer.flush()
        assert log.bound()
        writer.write("z")
    assert log.path.read_text() == "z"
    assert (tmp_path / "run" / "target.log.1").read_text() == "y" * 100
    assert log.tail() == "  | z"


@pytest.mark.parametrize(
    ("code", "kind", "number"),
    [("raise SystemExit(7)", "exit", 7), ("import os; os.abort()", "signal", signal.SIGABRT)],
)
def test_how_it_ended(launch: Launch, code: str, kind: str, number: int) -> None:
    """Exit code and signal are told apart; what it used comes with it."""
    target = launch(code)
    wait_until(lambda: target.poll() is not None)
    end = target.poll()
    assert end is not None
    assert (end.kind, end.code) == (kind, number)
    assert end.cpu is not None
    assert end.max_rss is not None
    assert end.max_rss > 1 << 20


@pytest.mark.parametrize(
    ("kind", "code", "failed"), [("exit", 0, False), ("exit", 1, True), ("signal", 15, True), ("oom", 9, True)]
)
def test_what_is_a_failure(kind: str, code: int, failed: bool) -> None:
    """What restart = "on-failure" restarts."""
    assert Exit(kind, code, "").failed is failed


def test_signals_without_a_name() -> None:
    """Real-time signals have none in Python."""
    assert (signal_name(15), signal_name(50)) == ("SIGTERM", "signal 50")


def test_stop_is_polite_first(launch: Launch) -> None:
    """SIGTERM reaches the whole group, and a handler may finish its work.

    The first process waits for the other: once it has ended, what is left is asked again and soon killed.
    """
    target = launch(
        """
        import os, signal, sys, time
        def leave(*_):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if child:
                os.waitpid(child, 0)
            print("left", bool(child)); sys.exit(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        child = os.fork()
        signal.signal(signal.SIGTERM, leave)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        print("up"); time.sleep(600)
        """
    )
    said(target, 2)
    target.stop()
    end = target.poll()
    assert end is not None
    assert (end.kind, end.code) == ("exit", 0)
    assert target.log_path is not None
    assert sorted(target.log_path.read_text().split("\n"))[1:3] == ["left False", "left True"]


def test_stop_kills_what_does_not_listen(launch: Launch) -> None:
    """It ignores SIGTERM: killed after stop_timeout."""
    target = launch(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)", stop_timeout=0.2
    )
    said(target)
    target.stop()
    end = target.poll()
    assert end is not None
    assert (end.kind, end.code) == ("signal", signal.SIGKILL)


def test_a_stopped_process_is_ended_politely(launch: Launch) -> None:
    """After a fault left it in SIGSTOP: SIGTERM alone would wait for ever."""
    target = launch(SLEEP)
    said(target)
    target.signal(signal.SIGSTOP)
    target.stop()
    end = target.poll()
    assert end is not None
    assert (end.kind, end.code) == ("signal", signal.SIGTERM)


def test_stop_ends_a_process_whose_main_thread_ended(launch: Launch) -> None:
    """It looks like a zombie and is none: it must be killed, not left to itself."""
    target = launch(
        """
        import ctypes, signal, threading
        signal.signal(15, signal.SIG_IGN)
        threading.Thread(target=threading.Event().wait).start()
        print("up")
        ctypes.CDLL(None).pthread_exit(None)
        """,
        stop_timeout=0.2,
    )
    said(target)
    ((pid, _),) = target.roots
    wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    target.stop()
    end = target.poll()
    assert end is not None
    assert (end.kind, end.code) == ("signal", signal.SIGKILL)
    assert not Path(f"/proc/{pid}").exists()


def test_a_restart_has_new_roots(launch: Launch) -> None:
    """Another process, the same log, and the old one's orphans are gone."""
    port = free_port()
    target = launch(SERVER.format(port=port), url=f"http://127.0.0.1:{port}")
    target.wait_ready()
    before = target.roots
    target.restart()
    target.wait_ready()
    assert target.roots != before
    assert gone(before[0][0])
    assert target.poll() is None
    assert said(target, 2) == ["listening", "listening"]


def test_a_restart_after_death(launch: Launch) -> None:
    """restart = "on-failure": the exit of the old one is not the new one's."""
    target = launch(SLEEP)
    said(target)
    os.kill(target.roots[0][0], signal.SIGKILL)
    wait_until(lambda: target.poll() is not None)
    target.restart()
    said(target, 2)
    assert target.poll() is None


def test_daemonised_orphans_are_seen_and_ended(launch: Launch) -> None:
    """Double fork and a session of its own: the warden is its parent now, so it is in the tree, and stop finds it."""
    target = launch(
        """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                print(os.getpid()); time.sleep(600)
            os._exit(0)
        os.wait()
        time.sleep(600)
        """
    )
    orphan = int(said(target)[0])
    tree = ProcessTree(target.roots, reaper_pid=target.reaper_pid)
    wait_until(lambda: [process.role for process in tree.refresh()] == ["main", "orphan"])
    assert tree.processes[1].pid == orphan
    assert target.reaper_pid not in {process.pid for process in tree.processes}
    tree.close()
    target.stop()
    assert gone(orphan, target.roots[0][0])


def test_which_target_the_configuration_means() -> None:
    """A command is started, anything else is attached to."""
    assert isinstance(make_target(TargetSettings(command=("x",))), TargetProcess)
    assert isinstance(make_target(TargetSettings(pid=1)), AttachedTarget)
