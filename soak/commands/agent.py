"""`soak agent export`: the agent alone, for a target's own image or environment."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import sysconfig
import zipfile
from pathlib import Path

import click

from soak import __version__
from soak.commands import examples, writing
from soak.errors import SoakError, UsageError

PACKAGES = ("soak_agent", "soak_heap")  # the heap sampler is found beside the agent
_LEFT_OUT = ("__pycache__", "*.pyc", "build.py")
_EPOCH = (2020, 1, 1, 0, 0, 0)  # of the files in the wheel: the same agent gives the same bytes

_HOW = """\
The agent is in {folder}: standard library only, CPython 3.9 to 3.14 on Linux. Two ways to put it into a target:

1. Without touching the target's code, by its environment:

   PYTHONPATH={folder}/soak_agent/bootstrap SOAK_AGENT_DIR=/run/soak-agent python app.py

2. From the target's code, with {folder} on its path:

   import soak_agent
   soak_agent.start("/run/soak-agent")

SOAK_AGENT_DIR is a folder that the target and soak both see, of one user; it is made with mode 0700.
Leave it out and both use their default. Then attach: [target] pid = ... (or port, unit, container).
"""
_METADATA = """\
Metadata-Version: 2.1
Name: soak-agent
Version: {version}
Summary: The agent of soak, for a target's own environment: import soak_agent; soak_agent.start()
Requires-Python: >=3.9
License: MIT
"""
_WHEEL = """\
Wheel-Version: 1.0
Generator: soak {version}
Root-Is-Purelib: false
Tag: {tag}
"""


@click.group("agent")
def command() -> None:
    """Export the agent for a target's own image or environment."""


@command.command("export", epilog=examples("soak agent export vendor", "soak agent export --wheel dist"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--wheel", is_flag=True, help="As a wheel without dependencies, to be installed by pip.")
def export(folder: Path, wheel: bool) -> None:
    """Copy the agent and its heap sampler into DIR, which must be new or empty, and say how to use them."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("folder_exists", path=folder)
    with writing(folder):
        said = f"pip install {write_wheel(folder)}" if wheel else _copy(folder)
    click.echo(said)


def _copy(folder: Path) -> str:
    """Both packages as they are, and the README beside them; gives its text."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        shutil.copytree(_source(name), folder / name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    text = _HOW.format(folder=folder.resolve())
    (folder / "README.txt").write_text(text, encoding="utf-8")
    return text


def write_wheel(folder: Path) -> Path:
    """A wheel of both packages in `folder` (the binary distribution format of PyPA); gives its path.

    It is of this platform where the compiled heap sampler is part of it, else of any.
    """
    files = {f"{name}/{path.relative_to(source)}": path.read_bytes() for name, source, path in _files()}
    compiled = any(name.endswith(".so") for name in files)
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_") if compiled else "any"
    tag = f"py3-none-{platform}"
    info = f"soak_agent-{__version__}.dist-info"
    files[f"{info}/METADATA"] = _METADATA.format(version=__version__).encode()
    files[f"{info}/WHEEL"] = _WHEEL.format(version=__version__, tag=tag).encode()
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"soak_agent-{__version__}-{tag}.whl"
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def _files() -> list[tuple[str, Path, Path]]:
    """(package, its folder, file) of everything that is part of the agent."""
    return [
        (name, source, path)
        for name, source in ((name, _source(name)) for name in PACKAGES)
        for path in sorted(source.rglob("*"))
        if path.is_file() and not any(path.match(pattern) or pattern in path.parts for pattern in _LEFT_OUT)
    ]


def _source(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SoakError("agent_missing", name=name)
    return Path(spec.origin).parent


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
