"""The ways to start the project in a folder, the surest first."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from soak.onboard.foreign import from_compose, from_package_json, from_procfile
from soak.onboard.openapi import paths_of_document
from soak.onboard.project import Candidate, interpreter, read_text
from soak.onboard.source import App, apps, routes, scan

FIRST_PORT = 8000
HEALTH = ("/health", "/healthz", "/health/", "/ready", "/readyz", "/livez", "/ping", "/status", "/api/health")
_OPENAPI = ("openapi.json", "swagger.json", "docs/openapi.json", "api/openapi.json")
_ASGI = ("FastAPI", "Starlette", "Litestar", "Quart")


def candidates(folder: Path) -> list[Candidate]:
    """Every way that was found: Procfile, frameworks, package.json, compose file, Celery."""
    port = free_port()
    sources = scan(folder)
    found = [*from_procfile(folder, port), *_django(folder, port, routes(sources))]
    celery: list[Candidate] = []
    for app in apps(sources):
        made = _candidate(app, folder, port, routes(sources))
        if made is not None:
            (celery if app.framework == "Celery" else found).append(made)
    served = [*found, *from_package_json(folder, port), *from_compose(folder)]
    documented = tuple(path for name in _OPENAPI for path in paths_of_document(read_text(folder / name)))
    served = [replace(item, paths=tuple(dict.fromkeys([*documented, *item.paths]))) for item in served]
    return [*served, *celery]


def likely_paths(found: tuple[str, ...]) -> tuple[str, ...]:
    """Paths to ask for when the service runs: those of the source, the root, and where health usually is."""
    return tuple(dict.fromkeys([*found, "/", *HEALTH]))


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


def _candidate(app: App, folder: Path, port: int, found: tuple[str, ...]) -> Candidate | None:
    if app.framework in _ASGI:
        return _asgi(app, folder, port, found)
    if app.framework == "Flask":
        return _flask(app, folder, port, found)
    if app.framework == "aiohttp":
        return _aiohttp(app, folder, port, found)
    return _celery(app, folder)


def _asgi(app: App, folder: Path, port: int, found: tuple[str, ...]) -> Candidate:
    python, notes = _python(folder, ("uvicorn", app.framework.lower()))
    place = _place(app.root, folder)
    command = [python, "-m", "uvicorn", f"{app.module}:{app.name}", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--factory"] if app.factory else []
    command += ["--app-dir", place] if place != "." else []
    what = f"{app.framework} application {app.module}:{app.name} under uvicorn"
    return Candidate(what, tuple(command), port, likely_paths(found), notes=notes)


def _flask(app: App, folder: Path, port: int, found: tuple[str, ...]) -> Candidate:
    place = _place(app.root, folder)
    served = f"{app.module}:{app.name}{'()' if app.factory else ''}"
    settings = next((name for name in ("gunicorn.conf.py", "gunicorn_conf.py") if (folder / name).exists()), None)
    if settings:
        python, notes = _python(folder, ("gunicorn", "flask"))
        command = [python, "-m", "gunicorn", "-c", settings, "--bind", f"127.0.0.1:{port}", served]
        command += ["--chdir", place] if place != "." else []
        return Candidate(
            f"Flask application {served} under gunicorn", tuple(command), port, likely_paths(found), notes=notes
        )
    python, notes = _python(folder, ("flask",))
    start = str(app.path.relative_to(folder).with_suffix("")) if place != "." else app.module
    command = [python, "-m", "flask", "--app", f"{start}:{app.name}", "run", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--no-reload", "--no-debugger"]
    return Candidate(f"Flask application {served}", tuple(command), port, likely_paths(found), notes=notes)


def _aiohttp(app: App, folder: Path, port: int, found: tuple[str, ...]) -> Candidate | None:
    if not app.runs_itself:
        return None  # python -m aiohttp.web wants a function with one argument: nothing that is found bare
    python, notes = _python(folder, ("aiohttp",))
    script = str(app.path.relative_to(folder))
    env = {"PORT": str(app.port or 8080)}
    return Candidate(
        f"aiohttp application {script}", (python, script), app.port or 8080, likely_paths(found), env, notes=notes
    )


def _celery(app: App, folder: Path) -> Candidate:
    python, notes = _python(folder, ("celery",))
    command = [python, "-m", "celery", "-A", f"{app.module}:{app.name}"]
    place = _place(app.root, folder)
    command += ["--workdir", place] if place != "." else []
    command += ["worker", "--loglevel", "warning"]
    note = "A worker has no URL: load.profile is none, and something else has to send the tasks."
    return Candidate(f"Celery worker {app.module}:{app.name}", tuple(command), paths=(), notes=(*notes, note))


def _django(folder: Path, port: int, found: tuple[str, ...]) -> Iterator[Candidate]:
    for script in sorted([folder / "manage.py", *folder.glob("*/manage.py")], key=lambda path: len(path.parts)):
        if script.exists() and "django" in script.read_text(encoding="utf-8", errors="replace"):
            python, notes = _python(folder, ("django",))
            command = (python, str(script.relative_to(folder)), "runserver", "--noreload", f"127.0.0.1:{port}")
            paths = likely_paths((*found, "/admin/login/"))
            yield Candidate(f"Django project {script.relative_to(folder)}", command, port, paths, notes=notes)


def _python(folder: Path, modules: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The interpreter for a command, and a note when no one has what it needs."""
    found = interpreter(folder, modules)
    if found:
        return found, ()
    return "python", (f"No interpreter here has {' and '.join(modules)}: install them, or put the right one in.",)


def _place(root: Path, folder: Path) -> str:
    return str(root.relative_to(folder)) if root.is_relative_to(folder) else "."
