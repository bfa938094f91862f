"""Build hook: puts what is compiled into wheels and editable installs: the heap sampler, and loops of the load.

Without a compiler the install still works: the sampler is absent, `soak doctor` says so, the load costs more, and
the wheel stays a pure one.
SOAK_HEAP_BUILD=0 leaves it out on purpose, SOAK_HEAP_BUILD=1 makes a failure an error (for releases).
"""

from __future__ import annotations

import os
import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("probes/soak_heap")
LOAD = Path("soak/load")
LOOPS, LOOPS_LIBRARY = ("burst.c", "turns.c"), "_compiled.so"


class HeapSamplerBuild(BuildHookInterface[Any]):
    """Compiles the sampler before a wheel is put together and adds it with the platform's tag."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is "standard" or "editable". Raises RuntimeError only when told to."""
        wanted = os.environ.get("SOAK_HEAP_BUILD", "auto")
        if self.target_name != "wheel" or wanted == "0":
            return
        build = runpy.run_path(str(Path(self.root) / FOLDER / "build.py"))
        load = Path(self.root) / LOAD
        loops = build["compile_shared"]([load / source for source in LOOPS], load / LOOPS_LIBRARY)
        sampler = [FOLDER / build[library].name for library in ("LIBRARY", "PRELOAD")]
        parts = {
            "its heap sampler": (build["compile_library"](), sampler),
            "the compiled loops of its load": (loops, [LOAD / LOOPS_LIBRARY]),
        }
        for part, (why, made) in parts.items():
            if why and wanted == "1":
                raise RuntimeError(f"soak cannot be built with {part}: {why}")
            if why:
                self.app.display_warning(f"soak is installed without {part}: {why}")
            else:
                build_data["artifacts"] += [f"/{path}" for path in made]
        if not build_data["artifacts"]:
            return
        build_data["pure_python"] = False  # the same for every Python: only the platform goes into the tag
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
