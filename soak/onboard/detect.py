"""The ways to start the project in a folder, the surest first."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from soak.onboard.foreign import from_compose, from_package_json, from_procfile, workers_of_procfile
from soak.onboard.openapi import Documented, documented
from soak.onboard.project import Candidate, interpreter, read_text
from soak.onboard.source import App, apps, closed_routes, routes, scan

FIRST_PORT = 8000
HEALTH = ("/health", "/healthz", "/health/", "/ready", "/readyz", "/livez", "/ping", "/status", "/api/health")
_OPENAPI = ("openapi.json", "swagger.json", "docs/openapi.json", "api/openapi.json")
GUESSES = ("/", *HEALTH)
_ASGI = ("FastAPI", "Starlette", "Litestar", "Quart")


def candidates(folder: Path) -> list[Candidate]:
    """Every way that was found: Procfile, frameworks, package.json, compose file, Celery."""
    port = free_port()
    sources = scan(folder)
    known = routes(sources)
    found = [*from_procfile(folder, port), *_django(folder, port)]
    without_url: list[Candidate] = list(workers_of_procfile(folder))
    for app in apps(sources):
        made = _candidate(app, folder, port)
        if made is not None:
            (without_url if app.framework == "Celery" else found).append(made)
    served = [replace(item, paths=known, closed=closed_routes(sources)) for item in found]
    served += [*from_package_json(folder, port), *from_compose(folder)]
    said = [documented(read_text(folder / name)) for name in _OPENAPI]
    return [*(_completed(item, said) for item in served), *without_url]


def _completed(item: Candidate, said: list[Documented]) -> Candidate:
    """With what the documents of the folder say first, and where the root and health usually are as guesses."""
    paths = tuple(dict.fromkeys([*(path for one in said for path in one.paths), *item.paths]))
    closed = {**item.closed, **{path: why for one in said for path, why in one.closed.items()}}
    return replace(item, paths=paths, guesses=GUESSES, closed=closed)


def ready_path(answering: list[str]) -> str | None:
    """The path that says best that the service is up: a health path, else none and its port decides."""
    return next((path for path in HEALTH if path in answering), None)


def free_port() -> int:
    """The first port from 8000 on that nobody listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return FIRST_PORT


def _candidate(app: App, folder: Path, port: int) -> Candidate | None:
    if app.framework in _ASGI:
        return _asgi(app, folder, port)
    if app.framework == "Flask":
        return _script(app, folder, port, port) if app.runs_itself else _flask(app, folder, port)
    if app.framework == "aiohttp":
        # python -m aiohttp.web wants a function with one argument: nothing that is found bare
        return _script(app, folder, port, 8080) if app.runs_itself else None
    return _celery(app, folder)


def _asgi(app: App, folder: Path, port: int) -> Candidate:
    python, notes = _python(folder, ("uvicorn", app.framework.lower()))
    place = _place(app.root, folder)
    command = [python, "-m", "uvicorn", f"{app.module}:{app.name}", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--factory"] if app.factory else []
    command += ["--app-dir", place] if place != "." else []
    what = f"{app.framework} application {app.module}:{app.name} under uvicorn"
    return Candidate(what, tuple(command), port, notes=notes)


def _flask(app: App, folder: Path, port: int) -> Candidate:
    place = _place(app.root, folder)
    served = f"{app.module}:{app.name}{'()' if app.factory else ''}"
    settings = next((name for name in ("gunicorn.conf.py", "gunicorn_conf.py") if (folder / name).exists()), None)
    if settings:
        python, notes = _python(folder, ("gunicorn", "flask"))
        command = [python, "-m", "gunicorn", "-c", settings, "--bind", f"127.0.0.1:{port}", served]
        command += ["--chdir", place] if place != "." else []
        return Candidate(f"Flask application {served} under gunicorn", tuple(command), port, notes=notes)
    python, notes = _python(folder, ("flask",))
    start = str(app.path.relative_to(folder).with_suffix("")) if place != "." else app.module
    command = [python, "-m", "flask", "--app", f"{start}:{app.name}", "run", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--no-reload", "--no-debugger"]
    return Candidate(f"Flask application {served}", tuple(command), port, notes=notes)


def _script(app: App, folder: Path, port: int, usual: int) -> Candidate:
    """A script that serves its own application: on PORT where it reads that, else on its own or the usual port."""
    python, notes = _python(folder, (app.framework.lower(),))
    script = str(app.path.relative_to(folder))
    reads_port = re.search(r"environ\b.*[\"']PORT[\"']|getenv\([\"']PORT[\"']", read_text(app.path))
    listens = port if reads_port else app.port or usual
    env = {"PORT": str(port)} if reads_port else {}
    return Candidate(f"{app.framework} application {script}", (python, script), listens, env=env, notes=notes)


def _celery(app: App, folder: Path) -> Candidate:
    python, notes = _python(folder, ("celery",))
    command = [python, "-m", "celery", "-A", f"{app.module}:{app.name}"]
    place = _place(app.root, folder)
    command += ["--workdir", place] if place != "." else []
    command += ["worker", "--loglevel", "warning"]
    note = "A worker has no URL: load.profile is none, and something else has to send the tasks."
    return Candidate(f"Celery worker {app.module}:{app.name}", tuple(command), notes=(*notes, note))


def _django(folder: Path, port: int) -> Iterator[Candidate]:
    for script in sorted([folder / "manage.py", *folder.glob("*/manage.py")], key=lambda path: len(path.parts)):
        if script.exists() and "django" in script.read_text(encoding="utf-8", errors="replace"):
            python, notes = _python(folder, ("django",))
            command = (python, str(script.relative_to(folder)), "runserver", "--noreload", f"127.0.0.1:{port}")
            yield Candidate(f"Django project {script.relative_to(folder)}", command, port, notes=notes)


def _python(folder: Path, modules: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The interpreter for a command, and a note when no one has what it needs."""
    found = interpreter(folder, modules)
    if found:
        return found, ()
    return "python", (f"No interpreter here has {' and '.join(modules)}: install them, or put the right one in.",)


def _place(root: Path, folder: Path) -> str:
    return str(root.relative_to(folder)) if root.is_relative_to(folder) else "."
