"""The folder in which the agents of a target listen: a private one where soak starts the target, else its own."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from soak_probes import start_time_of
from soak_probes.agent_client import AgentClient

VARIABLE = "SOAK_AGENT_DIR"
_PREFIX = "soak-run-"
PATIENCE = 10.0  # seconds for an agent that is there: it answers when its process gets its turn


def make_agent_folder() -> Path:
    """A new folder (0700) whose name says which soak it belongs to, so that a later one can tell what was left behind.

    Not beside the store: the path of a socket has at most 107 characters.
    """
    pid = os.getpid()
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{pid}-{start_time_of(pid)}-"))


def clear_agent_folders(is_alive: Callable[[int, int], bool], place: Path | None = None) -> list[Path]:
    """Remove this user's agent folders whose soak is gone, as after kill -9; gives those that were removed."""
    removed = []
    for folder in (place or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*-*-*"):
        pid, start, *_ = folder.name.removeprefix(_PREFIX).split("-")
        if pid.isdigit() and start.isdigit() and _is_mine(folder) and not is_alive(int(pid), int(start)):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _is_mine(folder: Path) -> bool:
    """A folder of this user, and no link; False when another soak on this machine has just removed it."""
    try:
        found = folder.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def agent_folder_of(pid: int, environ: Mapping[str, str] = os.environ, proc_root: str = "/proc") -> Path:
    """Where the agent of a running process listens, as `soak_agent.start()` chooses it there.

    SOAK_AGENT_DIR of soak itself comes first: for a target that names the folder in its code, or that may not be read.
    """
    theirs = _environment(Path(proc_root, str(pid), "environ"))
    named = environ.get(VARIABLE) or theirs.get(VARIABLE)
    if named:
        return Path(named)
    runtime = theirs.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime, "soak-agent")
    try:
        owner = Path(proc_root, str(pid)).stat().st_uid
    except OSError:
        owner = os.geteuid()
    return Path("/tmp", f"soak-agent-{owner}")  # noqa: S108 -- the agent checks owner and mode, the client the peer


def agent_answers(folder: Path, pid: int) -> bool:
    """Whether an agent of that process listens in `folder`."""
    client = AgentClient(folder)
    try:
        return client.connect(pid, timeout=PATIENCE) is not None
    finally:
        client.close()


def _environment(file: Path) -> dict[str, str]:
    try:
        lines = file.read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (line.decode(errors="replace").partition("=") for line in lines)
    return {name: value for name, _, value in pairs}
