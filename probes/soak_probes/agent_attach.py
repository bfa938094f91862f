"""Lets the agent into a Python process that runs already: by the interpreter's own door, an injector, or gdb.

| Python      | way                | stops the target for |
|-------------|--------------------|----------------------|
| 3.14 and up | sys.remote_exec    | not at all           |
| 3.10 to 3.13| pyinjector (extra) | 0.04 to 0.2 s        |
| 3.9 to 3.13 | gdb, last resort   | 0.3 to 2 s           |

Same user (or root) only. tracemalloc is not switched on in somebody else's process unless it is asked for by name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import soak_agent
from soak_probes.agent_client import AgentClient

PATIENCE = 10.0  # s until the agent answers: remote_exec waits for the target's next bytecode
TOOL_PATIENCE = 30.0  # s for the injector or gdb
LEAVES = 60  # s after which an agent that nobody asks any more leaves by itself: soak may have been killed
OLDEST, REMOTE = (3, 9), (3, 14)
_LIBRARY = re.compile(r"python-?(3)\.?(\d+)")  # python3.11, libpython3.11.so, _json.cpython-311-x86_64-linux-gnu.so


class AttachError(Exception):
    """The agent could not be let in; the message says why and what would help."""


def python_version(pid: int, proc_root: Path = Path("/proc")) -> tuple[int, int] | None:
    """(major, minor) of the Python in `pid`, from its executable or the library it has mapped; None if none."""
    folder = proc_root / str(pid)
    try:
        names = [(folder / "exe").readlink()]
        maps = (folder / "maps").read_text().splitlines()
    except OSError:
        return None
    names += [Path(line.rpartition(" ")[2]) for line in maps if "python" in line]
    for name in names:
        found = _LIBRARY.search(name.name)
        if found:
            return int(found[1]), int(found[2])
    return None


def attach(
    pid: int, agent_dir: Path, *, heap: str = "auto", frames: int = 1, handles: bool = True, interval: int = 0
) -> str:
    """Let the agent into `pid`; gives the way it went. Raises AttachError, and changes nothing then.

    The settings are those of `soak_agent.environment`, but `heap` auto is the sampler or nothing. An agent that was
    let in leaves by itself when nobody has asked it for LEAVES seconds.
    """
    client = AgentClient(agent_dir)
    try:
        if client.connect(pid) is not None:
            return "there already"
        way, enter = _way(pid)
        heap = "sampler" if heap == "auto" else heap
        settings = soak_agent.environment(
            agent_dir, base_env={}, heap=heap, frames=frames, handles=handles, interval=interval
        )
        del settings["PYTHONPATH"]
        settings["SOAK_AGENT_LEAVES"] = str(LEAVES)
        script = _script(pid, agent_dir, settings)
        try:
            enter(pid, script)
            _wait(client, pid, way, _said(script))
        finally:
            script.unlink(missing_ok=True)
            _said(script).unlink(missing_ok=True)
        return way
    finally:
        client.close()


def _said(script: Path) -> Path:
    """Where the script writes why it could not begin."""
    return script.with_suffix(".txt")


def way_in(pid: int) -> str:
    """The way that `attach` would take into `pid`. Raises AttachError as `attach` does."""
    return _way(pid)[0]


def _way(pid: int) -> tuple[str, Callable[[int, Path], None]]:
    try:
        owner = Path(f"/proc/{pid}").stat().st_uid
    except OSError as error:
        raise AttachError(f"there is no process {pid}") from error
    if os.geteuid() not in (0, owner):
        raise AttachError(f"process {pid} belongs to another user: run soak as that user, or as root")
    version = python_version(pid)
    if version is None:
        raise AttachError(f"process {pid} runs no Python: it is watched from outside only")
    if not _same_files(pid):
        raise AttachError(
            f"process {pid} and soak see different files (a container, or a unit with PrivateTmp or the like): start "
            "the exported agent in it (`soak agent export DIR`), with SOAK_AGENT_DIR in a folder that both see"
        )
    if version < OLDEST:
        raise AttachError("Python {}.{} is older than 3.9".format(*version))
    if version >= REMOTE:
        return "sys.remote_exec", _by_remote_exec
    if version >= (3, 10) and _injector() is not None:
        return "pyinjector", _by_injector
    if shutil.which("gdb"):
        return "gdb", _by_gdb
    raise AttachError(
        "neither pyinjector nor gdb is installed: "
        "`pip install '.[attach]'` in soak's clone, or let soak start the target"
    )


def _same_files(pid: int) -> bool:
    """Whether the process finds the agent's files where we do."""
    try:
        return Path(f"/proc/{pid}/ns/mnt").readlink() == Path("/proc/self/ns/mnt").readlink()
    except OSError:
        return True  # it may not be looked at: the way in will say why


def _script(pid: int, agent_dir: Path, settings: Mapping[str, str]) -> Path:
    """What is run in the target: into.py with its settings, in the agent's folder, which the target's user must own."""
    if os.geteuid() == 0:
        owner = Path(f"/proc/{pid}").stat()
        os.chown(agent_dir, owner.st_uid, owner.st_gid)
    script = agent_dir / f"into-{pid}.py"
    names = {"PACKAGE": soak_agent.HERE, "SETTINGS": dict(settings), "SAID": str(_said(script))}
    text = (Path(soak_agent.HERE) / "into.py").read_text(encoding="utf-8")
    head, mark, rest = text.partition("import sys\n")
    assigned = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    script.write_text(f"{head}{mark}{assigned}{rest}", encoding="utf-8")
    script.chmod(0o644)
    return script


def _wait(client: AgentClient, pid: int, way: str, said: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while client.connect(pid) is None:
        if said.exists():
            raise AttachError(f"{way} went in, but the agent could not begin: {said.read_text(encoding='utf-8')}")
        if time.monotonic() > deadline:
            raise AttachError(f"{way} went in, but the agent does not answer: the target may be inside one long C call")
        time.sleep(0.02)


def _run(command: list[str], way: str) -> str:
    """What the command printed; AttachError with its last words when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AttachError(f"{way}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise AttachError(f"{way}: {said[-1] if said else f'exit {done.returncode}'}")
    return done.stdout + done.stderr


def _by_remote_exec(pid: int, script: Path) -> None:
    """The target's own interpreter asks: only the same minor version may."""
    code = "import sys; sys.remote_exec(int(sys.argv[1]), sys.argv[2])"
    _run([f"/proc/{pid}/exe", "-I", "-S", "-c", code, str(pid), str(script)], "sys.remote_exec")


def _injector() -> str | None:
    from importlib.util import find_spec

    return "hypno" if find_spec("hypno") else None


def _line(script: Path) -> str:
    """What the target is made to run: the file, in a namespace of its own."""
    return f"exec(compile(open({str(script)!r}).read(), {str(script)!r}, 'exec'), {{'__name__': '_soak_into'}})"


def _by_injector(pid: int, script: Path) -> None:
    """In a process of its own: what it does with ptrace must not bring soak down."""
    code = "import sys; from hypno import inject_py; inject_py(int(sys.argv[1]), sys.argv[2])"
    _run([sys.executable, "-P", "-c", code, str(pid), _line(script)], "pyinjector")


def _by_gdb(pid: int, script: Path) -> None:
    line = _line(script)
    size = len(line.encode()) + 1
    text = line.replace("\\", "\\\\").replace('"', '\\"')
    # The text is put where the target's own interpreter made room: for a literal gdb would call whatever `malloc` it
    # finds first, and the sampler's is not one that it can call.
    steps = (
        "set $state = ((int (*)(void))PyGILState_Ensure)()",
        f"set $text = ((char *(*)(unsigned long))PyMem_RawMalloc)({size})",
        f'set {{char[{size}]}} $text = "{text}"',
        "call ((int (*)(const char *))PyRun_SimpleString)($text)",
        "call ((void (*)(void *))PyMem_RawFree)($text)",
        "call ((void (*)(int))PyGILState_Release)($state)",
    )
    command = ["gdb", "-nx", "-batch", "-p", str(pid)]
    for step in steps:
        command += ["-ex", step]
    said = _run(command, "gdb")
    if "$1 = 0" not in said:  # what PyRun_SimpleString gives back
        raise AttachError(f"gdb: {said.strip().splitlines()[-1]}")
