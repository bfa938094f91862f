"""Build hook: compiles the heap sampler's C source with the system's C compiler into soak_heap/_soak_heap.so.

Without a compiler (or off Linux) the install still works: the sampler is absent, `soak doctor` says so, and the wheel
stays a pure one. SOAK_HEAP_BUILD=0 leaves it out on purpose, SOAK_HEAP_BUILD=1 makes a failure an error (releases).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-std=gnu11", "-O2", "-g1", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-builtin", "-Wall", "-Wextra")
LINK = ("-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro", "-pthread", "-ldl")
FOLDER = Path("probes/soak_heap")
LIBRARY = FOLDER / "_soak_heap.so"


def compile_library(root: Path, output: Path, extra: tuple[str, ...] = ()) -> str:
    """Compile the sampler into `output`. Returns an empty string, or why it could not be done."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    output.parent.mkdir(parents=True, exist_ok=True)
    building = output.with_name(f"{output.name}.{os.getpid()}")  # a process may have the old one mapped
    command = [*compiler, *FLAGS, *extra, str(root / FOLDER / "soak_heap.c"), "-o", str(building), *LINK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no C compiler ({compiler[0]}): {error}"
    if done.returncode:
        building.unlink(missing_ok=True)
        return f"{compiler[0]} failed: {done.stderr.strip()[-2000:]}"
    building.replace(output)
    return ""


class HeapSamplerBuild(BuildHookInterface[Any]):
    """Adds the compiled library to wheels and to editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a wheel is put together; `version` is "standard" or "editable"."""
        wanted = os.environ.get("SOAK_HEAP_BUILD", "auto")
        if self.target_name != "wheel" or wanted == "0":
            return
        root = Path(self.root)
        why = compile_library(root, root / LIBRARY) if sys.platform == "linux" else "not on Linux"
        if why and wanted == "1":
            raise RuntimeError(f"the heap sampler could not be built: {why}")
        if why:
            self.app.display_warning(f"soak is installed without its heap sampler: {why}")
            return
        build_data["artifacts"].append(f"/{LIBRARY}")
        build_data["pure_python"] = False  # one library for every Python: only the platform goes into the tag
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
