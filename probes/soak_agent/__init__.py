"""The guest: what soak runs inside somebody else's Python process (CPython 3.9 to 3.14, Linux).

Two ways in: `environment()` gives the variables that put it into any Python a command starts, and a target may call
`start()` itself. Standard library only, imported lazily and by path; nothing here ever raises into the target.
See docs/guest-safety.md for what it touches and what it leaves alone.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["PROTOCOL", "default_directory", "environment", "start", "started"]

PROTOCOL = 1
HERE = os.path.dirname(os.path.abspath(__file__))
BOOTSTRAP = os.path.join(HERE, "bootstrap")
PRIVATE = "_soak_agent"


def environment(
    agent_dir: str | os.PathLike[str],
    *,
    base_env: Mapping[str, str] | None = None,
    heap: str = "auto",
    frames: int = 1,
    handles: bool = True,
    interval: int = 0,
) -> dict[str, str]:
    """The variables that load the agent into a Python process and into every Python it starts.

    `agent_dir` is made (mode 0700) when it is missing; `base_env` is the environment they are laid over (its PYTHONPATH
    is kept behind ours); `heap` is auto, sampler, tracemalloc or off; `frames` is of tracemalloc; `interval` is the
    sampler's, in bytes (0: its own default). Raises OSError when the folder cannot be made.
    """
    directory = os.path.abspath(os.fspath(agent_dir))
    os.makedirs(directory, mode=0o700, exist_ok=True)
    before = (os.environ if base_env is None else base_env).get("PYTHONPATH", "")
    return {
        "PYTHONPATH": BOOTSTRAP + (os.pathsep + before if before else ""),
        "SOAK_AGENT_DIR": directory,
        "SOAK_AGENT_HEAP": heap,
        "SOAK_AGENT_FRAMES": str(frames),
        "SOAK_AGENT_HANDLES": "1" if handles else "0",
        "SOAK_AGENT_INTERVAL": str(interval),
    }


def default_directory() -> str:
    """Where a target that calls `start()` without a folder listens: private to the user, shared by its processes."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.isdir(runtime):
        return os.path.join(runtime, "soak-agent")
    return f"/tmp/soak-agent-{os.geteuid()}"  # noqa: S108 - owner and mode are checked before use


def start(
    directory: str | os.PathLike[str] | None = None, *, heap: str = "auto", frames: int = 1, handles: bool = True
) -> bool:
    """Start the agent in this process; True when it runs (also when it ran already). Never raises."""
    try:
        place = directory or os.environ.get("SOAK_AGENT_DIR") or default_directory()
        settings = environment(place, base_env={}, heap=heap, frames=frames, handles=handles)
        return bool(_private().begin(settings))
    except Exception:
        return False


def started() -> bool:
    """True when the agent serves in this process."""
    module = sys.modules.get(PRIVATE + ".agent")
    return module is not None and bool(module.running())


def _private() -> Any:
    """The agent's own copy of itself, loaded by path under a private name."""
    module = sys.modules.get(PRIVATE + ".agent")
    if module is None:
        loader = sys.modules["_frozen_importlib_external"]
        frozen = sys.modules["_frozen_importlib"]
        spec = loader.spec_from_file_location(
            PRIVATE, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
        )
        package = frozen.module_from_spec(spec)
        sys.modules[PRIVATE] = package
        spec.loader.exec_module(package)
        module = __import__(PRIVATE + ".agent", fromlist=["begin"])
    return module
