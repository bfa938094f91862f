"""Ways to start a project that are written down outside its Python source: Procfile, package.json, compose file."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from soak.onboard.project import Candidate, files, program, read_text

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_LISTEN = re.compile(r"(?:PORT\s*(?:\|\||\?\?)\s*|\.listen\(\s*)['\"]?(\d{2,5})")
_JS_ROUTE = re.compile(r"\b(?:app|router|server|fastify)\.(?:get|use)\(\s*(['\"])(/[^'\"]*)\1")
_PORT = re.compile(r"\$(?:PORT\b|\{PORT(?::?-\w*)?\})")
_SHELL = re.compile(r"[|&;<>()$`*?~]")


def from_procfile(folder: Path, port: int) -> Iterator[Candidate]:
    """The `web` line, with PORT set as the platforms set it."""
    for name, line in _procfile(folder):
        if name == "web":
            yield Candidate("the web line of the Procfile", _words(line, folder, port), port, env={"PORT": str(port)})


def workers_of_procfile(folder: Path) -> Iterator[Candidate]:
    """Its other lines: they have no URL."""
    note = "It has no URL: load.profile is none, and something else has to give it work."
    for name, line in _procfile(folder):
        if name not in ("web", "release"):  # a release line ends by itself
            yield Candidate(f"the {name} line of the Procfile", _words(line, folder, None), notes=(note,))


def _procfile(folder: Path) -> Iterator[tuple[str, str]]:
    for line in read_text(folder / "Procfile").splitlines():
        name, _, command = line.partition(":")
        if re.fullmatch(r"[\w-]+", name.strip()) and command.strip():
            yield name.strip(), command.strip()


def from_package_json(folder: Path, port: int) -> Iterator[Candidate]:
    """`npm start`, or the node command behind it, with the port that the source listens on."""
    try:
        package = json.loads(read_text(folder / "package.json") or "{}")
    except ValueError:
        return
    script = package.get("scripts", {}).get("start") if isinstance(package, dict) else None
    if not isinstance(script, str):
        return
    sources = [read_text(path) for path in files(folder, (".js", ".mjs", ".cjs", ".ts"))]
    sources += [read_text(path) for path in (folder / "bin").glob("*") if path.is_file()]
    reads_port = any("env.PORT" in text for text in sources)
    listens = next((int(found[1]) for text in sources if (found := _LISTEN.search(text))), 3000)
    used = port if reads_port else listens
    words = _words(script, folder, None)
    command = words if words[0] == "node" else ("npm", "start")
    routes = dict.fromkeys(found[2] for text in sources for found in _JS_ROUTE.finditer(text))
    closed = {route: "needs a value in its path" for route in routes if re.search(r"[:*?]", route)}
    paths = tuple(route for route in routes if route not in closed)
    missing = not (folder / "node_modules").exists() and bool(package.get("dependencies"))
    notes = ("Its dependencies are not installed: run npm install first.",) if missing else ()
    env = {"PORT": str(used)}
    yield Candidate(f"npm start ({script})", command, used, paths, env=env, notes=notes, closed=closed)


def from_compose(folder: Path) -> Iterator[Candidate]:
    """The services of a compose file that publish a port, to attach to; they have to run already."""
    path = next((folder / name for name in _COMPOSE if (folder / name).exists()), None)
    if path is None:
        return
    for name, container, port in compose_services(read_text(path)):
        found = container or f"{folder.resolve().name}-{name}-1"
        note = "Start it first (docker compose up -d); soak attaches to what runs."
        yield Candidate(f"compose service {name}, container {found}", (), port, container=found, notes=(note,))


def compose_services(text: str) -> Iterator[tuple[str, str | None, int]]:
    """(service, container_name, published port) of services with a port; reads the usual block form of YAML only."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    block = _below(lines, "services:", -1)
    step = len(block[0]) - len(block[0].lstrip()) if block else 0
    for line in block:
        if len(line) - len(line.lstrip()) == step and line.endswith(":"):
            service = _below(block, line.strip(), step - 1)
            names = [item.split(":", 1)[1].strip(" \"'") for item in service if "container_name:" in item]
            found = re.search(r"^\s*-\s*[\"']?(?:[\d.]+:)?(\d+):\d+", "\n".join(_below(service, "ports:", step)), re.M)
            if found:
                yield line.strip().rstrip(":"), names[0] if names else None, int(found[1])


def _below(lines: list[str], head: str, above: int) -> list[str]:
    """The lines that are indented deeper than the line `head`, which itself is indented deeper than `above`."""
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() == head and indent > above:
            rest = lines[number + 1 :]
            end = next((n for n, item in enumerate(rest) if _ends(item, indent)), len(rest))
            return rest[:end]
    return []


def _ends(line: str, indent: int) -> bool:
    """Whether a block that began at `indent` is over; a list may stand at the indent of its own key."""
    own = len(line) - len(line.lstrip())
    return own < indent or (own == indent and not line.lstrip().startswith("- "))


def _words(command: str, folder: Path, port: int | None) -> tuple[str, ...]:
    """The command as a list, through a shell only where it needs one; its program from the project's environment."""
    if port is not None:
        command = _PORT.sub(str(port), command)
    first, space, rest = command.partition(" ")
    command = f"{program(folder, first)}{space}{rest}"
    if re.match(r"\w+=", command):
        return ("sh", "-c", command)
    if _SHELL.search(command):
        return ("sh", "-c", command if "&" in command or ";" in command else f"exec {command}")
    return tuple(shlex.split(command))
