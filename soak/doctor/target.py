"""Checks of the target: can it be started or found, is it Python, do agent and heap sampler load into it?"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soak_agent
from soak.agentfolder import agent_folder_of
from soak.attach import find_target
from soak.config import AgentConfig, Target
from soak.doctor.finding import Finding, Result
from soak.errors import SoakError
from soak.launch.readiness import Endpoint
from soak.target import target_environment
from soak_probes.agent_attach import AttachError, way_in
from soak_probes.agent_client import AgentClient

_IGNORES_ENVIRONMENT = frozenset("EIS")  # python -E, -I, -S: PYTHONPATH or site is left out, and the agent with it
_OPTIONS_WITH_VALUE = ("-W", "-X")
_AGENT_TIMEOUT_S, _HEAP_TIMEOUT_S = 10.0, 3.0
_WAIT_FOR_END = "import sys; sys.stdin.read()"
_SHELLS = ("sh", "bash", "dash", "zsh", "env")

Answer = tuple[Result, str, str]


@dataclass(frozen=True, slots=True)
class Start:
    """How a command begins: the program that was found, and the Python behind it when there is one."""

    program: Path
    python: Path | None
    flags: frozenset[str]


def examine(target: Target, agent: AgentConfig) -> list[Finding]:
    """Every check that fits the way to the target."""
    if target.command:
        return [*_launched(target, agent), *_url(target)]
    return [*_attached(target), *_url(target)]


CHECKS: dict[str, str] = {
    "configuration": "there is a soak.toml to look at",
    "command": "the command is found and may be run",
    "interpreter": "which Python it is, and that its flags let the agent in",
    "agent": "the agent loads into that Python, or answers in the running process",
    "heap": "how allocation sites are found: the sampler's self-test",
    "process": "the process to attach to is found",
    "user": "it belongs to the same user",
    "namespace": "it lives in the same process namespace",
    "url": "the port is free before soak starts the target, or answers when it runs already",
}


def how_it_starts(target: Target, environ: Mapping[str, str]) -> Start | None:
    """The program of a command, and its interpreter: python itself, or what its first line names."""
    found = shutil.which(target.command[0], path=environ.get("PATH")) if "/" not in target.command[0] else None
    program = Path(found) if found else target.cwd / target.command[0]
    if not os.access(program, os.X_OK) or program.is_dir():
        return None
    words = list(target.command)
    if not _is_python(program.name):
        words = _first_line(program)
        if words and Path(words[0]).name == "env":
            words = words[1:]
    if not words or not _is_python(Path(words[0]).name):
        return Start(program, None, frozenset())
    python = program if _is_python(program.name) else _resolved(words[0], environ)
    return Start(program, python, _flags(words[1:]))


def _launched(target: Target, agent: AgentConfig) -> list[Finding]:
    environ = target_environment(target, {}, os.environ)
    start = how_it_starts(target, environ)
    if start is None:
        mend = "Install it, or write its full path; relative ones begin at target.cwd."
        return [Finding("target", "command", "fail", f"{target.command[0]} is not a program that can be run", mend)]
    script = _script(target.command[1:]) if start.program == start.python else None
    if script and not (target.cwd / script).exists():
        what = f"{start.program} is there, its script {script} is not in {target.cwd}"
        return [
            Finding("target", "command", "fail", what, "Mend the name, or target.cwd, from which it is looked for.")
        ]
    found = [Finding("target", "command", "ok", str(start.program))]
    found.append(Finding("target", "interpreter", *_interpreter(start)))
    if start.python is None or agent.enabled == "off":
        why = "agent.enabled is off" if agent.enabled == "off" else "no Python interpreter was recognised"
        return [*found, *(Finding("target", name, "skip", why) for name in ("agent", "heap"))]
    barred = _IGNORES_ENVIRONMENT & start.flags
    hello = None if barred else _agent_in(start.python, target, agent)
    return [*found, Finding("target", "agent", *_agent(hello)), Finding("target", "heap", *_heap(hello, agent))]


def _interpreter(start: Start) -> Answer:
    if start.python is None:
        if start.program.name in _SHELLS:
            return "ok", f"{start.program.name}: the agent loads into every Python that it starts", ""
        return "ok", f"{start.program.name} is not Python: soaked from outside, sites need Python", ""
    barred = _IGNORES_ENVIRONMENT & start.flags
    if barred:
        flags = ", ".join(f"-{flag}" for flag in sorted(barred))
        return "warn", f"{start.python} with {flags}: the agent cannot get in", f"Leave {flags} out of the command."
    return "ok", str(start.python), ""


def _agent_in(python: Path, target: Target, agent: AgentConfig) -> dict[str, Any] | None:
    """What the agent says of itself inside an empty process of that Python; None when it does not come up."""
    with tempfile.TemporaryDirectory(prefix="soak-doctor-") as folder:
        settings = soak_agent.environment(folder, base_env={**os.environ, **target.env}, heap=agent.heap)
        process = subprocess.Popen(
            [str(python), "-c", _WAIT_FOR_END],
            env=target_environment(target, settings, os.environ),
            cwd=target.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = AgentClient(folder)
        try:
            return _hello(client, process, agent.heap != "off")
        finally:
            client.close()
            process.kill()
            process.wait()


def _hello(client: AgentClient, process: subprocess.Popen[bytes], wants_heap: bool) -> dict[str, Any] | None:
    """The answer of the agent; it answers already while the heap sampler still starts, so that is waited for."""
    deadline = time.monotonic() + _AGENT_TIMEOUT_S
    hello: dict[str, Any] | None = None
    while time.monotonic() < deadline and process.poll() is None:
        for pid in client.pids():  # a wrapper can put the interpreter into a child
            found = client.connect(pid)
            if found is not None and hello is None:
                deadline = min(deadline, time.monotonic() + _HEAP_TIMEOUT_S)
            hello = found or hello
        if hello is not None and (not wants_heap or hello.get("heap_mode") != "off"):
            break
        time.sleep(0.05)
    return hello


def _agent(hello: Mapping[str, Any] | None) -> Answer:
    if hello is None:
        return (
            "warn",
            "does not load into this interpreter: no sites, and no tasks",
            "It needs CPython 3.9 to 3.14 on Linux, without -E, -I and -S.",
        )
    return "ok", f"loads into Python {hello['python']}", ""


def _heap(hello: Mapping[str, Any] | None, agent: AgentConfig) -> Answer:
    if hello is None:
        return "skip", "the agent does not load", ""
    mode, why = str(hello.get("heap_mode")), str(hello.get("heap_why") or "")
    if mode == "sampler" or agent.heap in ("off", "tracemalloc"):
        return "ok", mode, ""
    said = f"{mode}{f' ({why})' if why else ''}: the target's CPU cost is multiplied by 3 to 6"
    if mode == "tracemalloc":
        return "warn", said, "The sampler costs about 3 %; a C compiler at install time gives it."
    return "warn", f"{mode}{f' ({why})' if why else ''}: no allocation sites", "Set agent.heap to tracemalloc."


def _attached(target: Target) -> list[Finding]:
    try:
        roots = find_target(target)
    except SoakError as error:
        mend = "Check that it runs, that [target] names it, and that this user may see it."
        return [Finding("target", "process", "fail", error.message, mend)]
    pids = [pid for pid, _ in roots]
    found = [Finding("target", "process", "ok", ", ".join(map(str, pids)))]
    for name, check in (("user", _user), ("namespace", _namespace), ("agent", _agent_of)):
        found.append(Finding("target", name, *check(pids[0])))
    return found


def _agent_of(pid: int) -> Answer:
    """Whether an agent answers in a process that runs already, and if not, whether a run can let one in."""
    folder = agent_folder_of(pid)
    client = AgentClient(folder)
    try:
        hello = client.connect(pid)
    finally:
        client.close()
    if hello is not None:
        return "ok", f"answers, Python {hello['python']}, heap {hello.get('heap_mode')}", ""
    try:
        way = way_in(pid)
    except AttachError as error:
        mend = "Or call soak_agent.start() in the target (soak agent export gives it), or let soak start the target."
        return "warn", f"none answers in {folder}, and none can be let in: {error}", mend
    return "ok", f"none yet: a run lets one in by {way} and takes it out again", ""


def _user(pid: int) -> Answer:
    owner = Path(f"/proc/{pid}").stat().st_uid
    try:
        next(Path(f"/proc/{pid}/fd").iterdir(), None)
    except PermissionError:
        said = f"uid {owner}, soak is {os.geteuid()}: uss, pss, kinds of descriptors, sockets and tmp_files are gaps"
        return "warn", said, f"Soak as uid {owner}, or give soak CAP_SYS_PTRACE."
    if owner == os.geteuid():
        return "ok", f"uid {owner}, the same", ""
    return "ok", f"uid {owner}, which soak ({os.geteuid()}) may read", ""


def _namespace(pid: int) -> Answer:
    try:
        same = Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except OSError:
        return "skip", "cannot be read", ""
    if same:
        return "ok", "the same", ""
    return "ok", "another (a container): its processes are seen from here by their outer numbers", ""


def _url(target: Target) -> list[Finding]:
    if target.url is None:
        return [Finding("target", "url", "skip", "target.url is not written")]
    endpoint = Endpoint.of(target.url)
    taken = endpoint.accepts()
    where = f"{endpoint.host}:{endpoint.port}"
    if target.command:
        mend = "Stop what listens there, or take another port: soak never soaks somebody else's server."
        answer: Answer = ("fail", f"{where} is taken already", mend) if taken else ("ok", f"{where} is free", "")
    elif not taken:
        answer = "fail", f"{where} accepts no connection", "Check target.url; the target has to run."
    elif target.ready and ((status := endpoint.status(target.ready)) is None or status >= 500):
        answer = "fail", f"{target.ready} answers {status}", "Check target.ready; it has to answer below 500."
    else:
        answer = "ok", f"{where} accepts", ""
    return [Finding("target", "url", *answer)]


def _is_python(name: str) -> bool:
    return name.startswith(("python", "pypy"))


def _first_line(program: Path) -> list[str]:
    """The words after #! of a script, none for anything else."""
    with program.open("rb") as stream:
        line = stream.readline(512)
    return line[2:].decode(errors="replace").split() if line.startswith(b"#!") else []


def _resolved(name: str, environ: Mapping[str, str]) -> Path:
    return Path(shutil.which(name, path=environ.get("PATH")) or name)


def _script(words: Sequence[str]) -> str | None:
    """The script that an interpreter is given, None for -m, -c and standard input."""
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "-c", "-m"):
        del rest[: 2 if rest[0] in _OPTIONS_WITH_VALUE else 1]
    return rest[0] if rest and not rest[0].startswith("-") else None


def _flags(words: list[str]) -> frozenset[str]:
    """The single letters of the interpreter's own options, up to the script, -c or -m."""
    letters: set[str] = set()
    skip = False
    for word in words:
        if skip:
            skip = False
        elif not word.startswith("-") or word in ("-", "-c", "-m"):
            break
        elif word.startswith(_OPTIONS_WITH_VALUE):
            skip = word in _OPTIONS_WITH_VALUE
        else:
            letters.update(word[1:])
    return frozenset(letters)
