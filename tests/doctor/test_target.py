"""The doctor's checks of a target and of a plan, on real interpreters, sockets and processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from soak import cli
from soak.config import AgentConfig, Config, Target, load_config
from soak.doctor import plan, target
from soak.doctor.finding import Finding
from tests.common import PATIENCE_S, free_port, wait_until


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter starts in a tenth of a second, and on a busy machine in many: that is not what is tested."""
    monkeypatch.setattr(target, "_AGENT_TIMEOUT_S", 2 * PATIENCE_S)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """The findings by name of the check."""
    return {finding.name: finding for finding in findings}


def launched(folder: Path, *command: str, heap: str = "auto", **facts: object) -> dict[str, Finding]:
    """The findings for a command in `folder`."""
    (folder / "app.py").touch()
    settings = Target(command=command, cwd=folder, **facts)  # type: ignore[arg-type] # facts are keywords
    return by_name(target.examine(settings, AgentConfig(heap=heap)))


def config(folder: Path, text: str) -> Config:
    """A configuration with a target that needs nothing."""
    (folder / "soak.toml").write_text('[target]\ncommand = ["true"]\nurl = "http://127.0.0.1:1"\n' + text)
    return load_config(folder / "soak.toml", environ={})


def test_a_python_command_gets_its_agent(tmp_path: Path) -> None:
    """The interpreter is found, the agent loads into it for real, and says how it finds allocation sites."""
    found = launched(tmp_path, sys.executable, "app.py", heap="tracemalloc")
    assert {name: found[name].result for name in ("command", "interpreter", "agent", "heap")} == dict.fromkeys(
        ("command", "interpreter", "agent", "heap"), "ok"
    )
    assert "3." in found["agent"].what and found["heap"].what == "tracemalloc"


@pytest.mark.parametrize("flag", ["-I", "-E", "-S", "-uE"])
def test_flags_that_keep_the_agent_out_are_named(tmp_path: Path, flag: str) -> None:
    """-E, -I and -S leave PYTHONPATH or site out, and with them the agent; the mend says which flag."""
    found = launched(tmp_path, sys.executable, flag, "-X", "dev", "app.py", "-E")
    assert (found["interpreter"].result, found["agent"].result) == ("warn", "warn")
    assert flag[-1] in found["interpreter"].mend


def test_flags_of_the_script_are_its_own(tmp_path: Path) -> None:
    """What stands after the script, -m or -c is not for the interpreter."""
    assert launched(tmp_path, sys.executable, "-m", "app", "-I")["interpreter"].result == "ok"


def test_the_interpreter_of_a_script_is_read_from_its_first_line(tmp_path: Path) -> None:
    """gunicorn and its like are Python by their first line, through env too."""
    for line in (f"#!{sys.executable} -E", "#!/usr/bin/env python3"):
        script = tmp_path / "serve"
        script.write_text(f"{line}\n")
        script.chmod(0o755)
        start = target.how_it_starts(Target(command=("./serve",), cwd=tmp_path), os.environ)
        assert start is not None and start.python is not None
        assert start.flags == ({"E"} if "-E" in line else set())


def test_what_is_not_python_is_soaked_from_outside(tmp_path: Path) -> None:
    """No agent for other programs; a shell may start Python."""
    found = launched(tmp_path, "ls")
    assert (found["interpreter"].result, found["agent"].result) == ("ok", "skip")
    assert "every Python" in launched(tmp_path, "sh", "-c", "x")["interpreter"].what


def test_a_command_that_is_not_there_fails(tmp_path: Path) -> None:
    """Neither on PATH nor under cwd; a folder and a file without the right to run it are no commands."""
    (tmp_path / "file").touch()
    for name in ("no-such-program", "./missing", "./file", "./."):
        found = launched(tmp_path, name)
        assert found["command"].result == "fail" and "target.cwd" in found["command"].mend


def test_a_script_that_is_not_there_fails(tmp_path: Path) -> None:
    """The interpreter alone is not enough; options before the script, -m and -c are told apart from it."""
    missing = launched(tmp_path, sys.executable, "-X", "dev", "-u", "serve.py", "--port", "1")["command"]
    assert missing.result == "fail" and "serve.py is not in" in missing.what
    for words in (("-m", "serve"), ("-c", "pass"), ("-u", "app.py")):
        assert launched(tmp_path, sys.executable, *words, heap="off")["command"].result == "ok"


def test_a_port_that_is_taken_fails(tmp_path: Path) -> None:
    """soak never soaks somebody else's server."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert launched(tmp_path, "ls", url=url)["url"].result == "fail"
    assert launched(tmp_path, "ls", url=url)["url"].result == "ok"


def test_an_attached_target_is_looked_at(tmp_path: Path) -> None:
    """The process, its user, its namespace and its port; the mend when it is gone."""
    process = subprocess.Popen(["sleep", "600"])
    try:
        with socket.create_server(("127.0.0.1", free_port())) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            found = by_name(target.examine(Target(pid=process.pid, url=url), AgentConfig()))
        assert found.pop("agent").result == "warn"  # nothing in `sleep` started one
        assert {finding.result for finding in found.values()} == {"ok"}
        launch = launched(tmp_path, sys.executable, "app.py", heap="off")
        assert {*found, *launch, "agent", "configuration"} == set(target.CHECKS), "the reference is made of these"
    finally:
        process.kill()
        process.wait()
    gone = by_name(target.examine(Target(pid=process.pid, url=url), AgentConfig()))
    assert (gone["process"].result, gone["url"].result) == ("fail", "fail")


def test_the_agent_of_a_running_target_is_found(tmp_path: Path) -> None:
    """A target that calls soak_agent.start() answers in the folder that its environment names."""
    program = "import soak_agent, sys; print(soak_agent.start(), flush=True); sys.stdin.read()"
    environ = {**os.environ, "SOAK_AGENT_DIR": str(tmp_path / "agents")}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "True\n"
        # One look waits a second for the answer.
        found = wait_until(lambda: answering(target.examine(Target(pid=process.pid), AgentConfig())))
        assert "answers, Python 3." in found.what
    finally:
        process.communicate()


def answering(findings: list[Finding]) -> Finding | None:
    """The finding on the agent, once that is well."""
    found = by_name(findings)["agent"]
    return found if found.result == "ok" and "answers" in found.what else None


def test_limits_that_can_be_decided_say_in_how_many_cycles(tmp_path: Path) -> None:
    """The defaults of eight hour-long cycles can; limits that are alike share a line, another has its own."""
    findings = plan.examine(config(tmp_path, '[limits]\nsockets = "2/h"\n'))
    assert [finding.result for finding in findings] == ["ok"] * 4
    assert [finding.what.partition(":")[0] for finding in findings[1:]] == [
        "growth 1MB/h",
        "fds, threads, tasks, children, tmp_files 0.5/h",
        "sockets 2/h",
    ]
    assert "sawtooth" in findings[0].what and "cycles" in findings[1].what


def test_limits_that_cannot_be_decided_get_ones_that_can(tmp_path: Path) -> None:
    """1 MB/h in minutes is below the noise: the mend names a limit per cycle and per request that is not."""
    made = config(tmp_path, '[load]\ncycle = "60s"\n[limits]\ngrowth = "1MB/h"\n')
    growth = plan.examine(made)[1]
    assert growth.result == "warn" and "8 are planned" in growth.what
    assert "/cycle" in growth.mend and "/request" in growth.mend
    suggested = growth.mend.split('"')[1]
    again = config(tmp_path, f'[load]\ncycle = "60s"\n[limits]\ngrowth = "{suggested}"\n')
    assert plan.examine(again)[1].result == "ok"


def test_limits_per_request_wait_for_the_users(tmp_path: Path) -> None:
    """In a closed model the number of requests is not known before; a limit of 0 can never be shown."""
    made = config(tmp_path, '[load]\nusers = 5\n[limits]\ngrowth = "1KB/request"\nfds = "0/h"\n')
    findings = plan.examine(made)
    assert "requests in each" not in findings[0].what
    assert [finding.result for finding in findings[1:3]] == ["skip", "warn"]


def test_the_least_limit_falls_with_more_cycles() -> None:
    """More cycles decide smaller limits; three decide none."""
    least = [plan.least_per_cycle("growth", 60.0, cycles) for cycles in (3, 4, 8, 12)]
    assert least[0] is None
    assert least[1:] == sorted((value for value in least if value is not None), reverse=True)


def test_doctor_prints_each_line_with_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text for people, JSON for scripts; a failure is exit code 4."""
    monkeypatch.chdir(tmp_path)
    without = CliRunner().invoke(cli.cli, ["doctor"], standalone_mode=False)
    assert "soak init" in without.output and without.return_value == 0
    (tmp_path / "soak.toml").write_text('[target]\ncommand = ["no-such-program"]\n[load]\nprofile = "none"\n')
    text = CliRunner().invoke(cli.cli, ["doctor"], standalone_mode=False)
    assert text.return_value == 4
    assert "fail  target   command" in text.output and "mend: Install it" in text.output
    answer = json.loads(CliRunner().invoke(cli.cli, ["doctor", "--json"], standalone_mode=False).output)
    assert (answer["schema"], answer["result"]) == ("soak.doctor/1", "fail")
    assert {"area", "name", "result", "what", "mend"} == set(answer["findings"][0])
