"""Whose code a frame is: the application, a dependency with its version, the standard library, or native."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

APPLICATION = "application"
STANDARD = "standard library"

Frame = tuple[str, int, str]  # file, line, function

_PACKAGES = re.compile(r"^(?P<root>.*/(?:site|dist)-packages)/(?P<rest>.+)$")
_STDLIB = re.compile(r"/lib(?:64)?/(?:python\d+(?:\.\d+)?|pypy[\d.]+)/|^<frozen |/python\d+\.zip/")
_NATIVE = re.compile(r"(?P<name>[^/]+?)(?:\.cpython-[^/]*|\.abi3)?\.(?:so|dylib)(?:\.[\d.]+)?$")
_AGENT = re.compile(r"/soak_(?:agent|heap)(?:/|\.|$)|^<soak")
MOST_OF_RECORD = 200_000  # characters: the modules stand near the beginning, lists of data files may be endless
DEEPEST = 3  # folders by which distributions that share a module are told apart: google/cloud/storage
_UNKNOWN = {"", "<unknown>", "<string>", "?"}


_EVENTS = "/asyncio/events.py"  # its Handle._run calls back whatever an asyncio loop has to run


def called(stack: Sequence[Frame]) -> list[Frame]:
    """`stack` without the frames that only run an event loop: they call everybody, and nothing is their doing.

    They reach from Handle._run outwards to where the task was made, which the agent knows of handles, or to the end.
    """
    kept: list[Frame] = []
    looping = False
    for frame in reversed(stack):
        file, _, function = frame
        if file.endswith(_EVENTS) and function.endswith("_run"):
            looping = True
        elif looping and function.endswith("create_task"):
            looping = False
        if not looping:
            kept.append(frame)
    return kept[::-1]


def is_standard(file: str) -> bool:
    """Whether a file is the standard library's, by its path alone."""
    return not _PACKAGES.match(file) and bool(_STDLIB.search(file))


def _canonical(name: str) -> str:
    """A distribution's name as installers compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_agent(frame: Frame) -> bool:
    """Whether the frame is soak's own guest inside the target, which no report shows."""
    return bool(_AGENT.search(frame[0]))


@dataclass
class Owners:
    """Names the owners of frames; remembers each folder of packages it has read. `cwd` is the target's folder."""

    cwd: str | None = None
    _versions: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, file: str) -> str:
        """`application`, `dependency NAME VERSION`, `standard library` or `native MODULE`."""
        installed = _PACKAGES.match(file)
        if installed:
            return self._dependency(installed["root"], installed["rest"])
        native = _NATIVE.search(file)
        if native or file.startswith("[native"):
            return f"native {native['name'] if native else file.strip('[]').removeprefix('native').strip()}".strip()
        if _STDLIB.search(file) and not self._within_cwd(file):
            return STANDARD
        return STANDARD if file in _UNKNOWN else APPLICATION

    def likely(self, stack: list[Frame]) -> tuple[Frame, str] | None:
        """The frame a person can change and its owner: walked outwards past the standard library (innermost is last).

        None when nothing but the standard library and a running event loop are in the stack.
        """
        for frame in reversed(called(stack)):
            owner = self.of(frame[0])
            if owner != STANDARD:
                return frame, owner
        return None

    def application(self, stack: list[Frame]) -> Frame | None:
        """The innermost frame of the application itself."""
        return next((frame for frame in reversed(called(stack)) if self.of(frame[0]) == APPLICATION), None)

    def _within_cwd(self, file: str) -> bool:
        return self.cwd is not None and Path(file).is_relative_to(self.cwd)

    def _dependency(self, root: str, rest: str) -> str:
        parts = rest.split("/")
        native = _NATIVE.search(parts[0])
        name = (native["name"] if native else parts[0]).removesuffix(".py")
        installed = self._installed(root)
        folders = ["/".join(parts[:depth]) for depth in (DEEPEST, 2) if depth < len(parts)]
        version = next((installed[folder] for folder in folders if folder in installed), None)
        return f"dependency {version or installed.get(_canonical(name)) or name}"

    def _installed(self, root: str) -> dict[str, str]:
        """{top-level module: "NAME VERSION"} of a folder of packages, from its dist-info; empty when unreadable.

        Where several distributions share a module (`opentelemetry`, `google`), its folders stand there, too.
        """
        if root not in self._versions:
            found: dict[str, str] = {}
            brought: dict[str, list[tuple[Path, str]]] = {}
            for info in _infos(root):
                name, _, version = info.name.removesuffix(".dist-info").partition("-")
                for module in {_canonical(one) for one in (name, *_top_level(info))}:
                    found.setdefault(module, f"{name} {version}")
                    brought.setdefault(module, []).append((info, f"{name} {version}"))
            for module, shared in brought.items():
                for info, version in shared if len(shared) > 1 else ():
                    found |= dict.fromkeys(_folders(info, module), version)
            self._versions[root] = found
        return self._versions[root]


def _infos(root: str) -> list[Path]:
    try:
        return sorted(Path(root).glob("*.dist-info"))
    except OSError:
        return []


def _record(info: Path) -> list[str]:
    """The first paths that a distribution installed."""
    try:
        with (info / "RECORD").open(errors="replace") as file:
            return [line.split(",")[0] for line in file.read(MOST_OF_RECORD).splitlines()]
    except OSError:
        return []


def _top_level(info: Path) -> list[str]:
    """Modules that a distribution brings (GitPython brings `git`): from its top_level.txt, else from its RECORD."""
    try:
        return (info / "top_level.txt").read_text(errors="replace").split()
    except OSError:
        pass
    names = {path.split("/")[0].removesuffix(".py") for path in _record(info)}
    return sorted(name for name in names if name.isidentifier())


def _folders(info: Path, module: str) -> set[str]:
    """The folders of a shared module that a distribution has files in, `opentelemetry/sdk` and what is below it."""
    found = set()
    for parts in (path.split("/") for path in _record(info)):
        if _canonical(parts[0]) == module:
            found |= {"/".join(parts[:depth]) for depth in (2, DEEPEST) if depth < len(parts)}
    return found
