"""Applications, their factories and their routes, read from Python source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from soak.onboard.project import files, read_text

FRAMEWORKS = {
    "fastapi.FastAPI": "FastAPI",
    "starlette.applications.Starlette": "Starlette",
    "litestar.Litestar": "Litestar",
    "quart.Quart": "Quart",
    "flask.Flask": "Flask",
    "aiohttp.web.Application": "aiohttp",
    "celery.Celery": "Celery",
}
_ROUTE_METHODS = ("get", "route", "api_route", "add_get", "add_api_route", "add_url_rule")
_SERVES = ("uvicorn.run", "waitress.serve")  # what a script calls that serves its own application
_OTHER_METHODS = ("post", "put", "patch", "add_post", "add_put")
_ROUTE_CALLS = ("Route", "APIRoute", "path", "get")
_USUAL = ("main", "app", "asgi", "wsgi", "application", "server", "api", "__init__")


@dataclass(slots=True)
class Source:
    """What one file says: applications by variable, factories by function, routes, and how it runs as a script."""

    path: Path
    apps: dict[str, str] = field(default_factory=dict)
    factories: dict[str, str] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)  # variable -> function whose result it is
    prefixes: dict[str, str] = field(default_factory=dict)  # variable of a blueprint or router -> its prefix
    routes: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)  # route -> what a request for it needs
    runs_itself: bool = False
    port: int | None = None


@dataclass(frozen=True, slots=True)
class App:
    """An application: its framework, its file, the name to import, and whether that name is a factory."""

    framework: str
    path: Path
    name: str
    factory: bool
    runs_itself: bool
    port: int | None

    @property
    def root(self) -> Path:
        """The folder from which it is imported: the first one up that is no package."""
        place = self.path.parent
        while (place / "__init__.py").exists():
            place = place.parent
        return place

    @property
    def module(self) -> str:
        """The dotted name of its module."""
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def scan(folder: Path) -> list[Source]:
    """Every Python file of the project that parses."""
    found = []
    for path in files(folder, (".py",)):
        try:
            tree = ast.parse(read_text(path))
        except (SyntaxError, ValueError):
            continue
        found.append(_source(path, tree))
    return found


def apps(sources: list[Source]) -> list[App]:
    """The applications in them, the most usual first: instances before factories, main.py before others."""
    factories = {name: framework for source in sources for name, framework in source.factories.items()}
    found: list[tuple[tuple[bool, int, int], App]] = []
    for source in sources:
        named = dict(source.apps)
        named.update({name: factories[made] for name, made in source.calls.items() if made in factories})
        both = [(name, framework, False) for name, framework in named.items()]
        both += [(name, framework, True) for name, framework in source.factories.items()]
        stem = source.path.stem
        rank = _USUAL.index(stem) if stem in _USUAL else len(_USUAL)
        for name, framework, factory in both:
            app = App(framework, source.path, name, factory, source.runs_itself, source.port)
            found.append(((factory, len(source.path.parts), rank), app))
    return [app for _, app in sorted(found, key=lambda item: item[0])]


def routes(sources: list[Source]) -> tuple[str, ...]:
    """Paths without parameters that are served on GET, in the order of the source, each once."""
    return tuple(dict.fromkeys(route for source in sources for route in source.routes))


def closed_routes(sources: list[Source]) -> dict[str, str]:
    """Paths that are served and cannot be asked for as they stand, with what they need."""
    return {route: why for source in sources for route, why in source.closed.items()}


def _source(path: Path, tree: ast.Module) -> Source:
    names = _imported(tree)
    source = Source(path)
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    _note_assignment(source, target.id, node.value, names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _callable_bare(node):
            made = next((_framework(call, names) for call in _calls(node) if _framework(call, names)), None)
            if made and any(isinstance(inner, ast.Return) and inner.value for inner in ast.walk(node)):
                source.factories[node.name] = made
    for call in _calls(tree):
        _note_call(source, call, names)
    return source


def _note_assignment(source: Source, name: str, call: ast.Call, names: dict[str, str]) -> None:
    framework = _framework(call, names)
    if framework:
        source.apps[name] = framework
    elif _dotted(call.func, names).rpartition(".")[2] in ("Blueprint", "APIRouter"):
        word = next((word.value for word in call.keywords if word.arg in ("url_prefix", "prefix")), None)
        if isinstance(word, ast.Constant) and isinstance(word.value, str):
            source.prefixes[name] = word.value.rstrip("/")
    elif isinstance(call.func, ast.Name):
        source.calls[name] = call.func.id


def _note_call(source: Source, call: ast.Call, names: dict[str, str]) -> None:
    function = _dotted(call.func, names)
    last = function.rpartition(".")[2]
    if last == "run_app" or function in _SERVES:
        source.runs_itself = True
        port = next((word.value for word in call.keywords if word.arg == "port"), None)
        if isinstance(port, ast.Constant) and isinstance(port.value, int):
            source.port = port.value
    route = _first_text(call)
    is_method = isinstance(call.func, ast.Attribute) and last in _ROUTE_METHODS
    if route is None or "://" in route or not (is_method or last in _ROUTE_CALLS or last in _OTHER_METHODS):
        return
    if last != "path" and not route.startswith("/"):
        return
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    prefix = source.prefixes.get(owner.id, "") if isinstance(owner, ast.Name) else ""
    where = prefix + (route if route.startswith("/") else f"/{route}")
    if last in _OTHER_METHODS or not _answers_get(call):
        source.closed[where] = "takes no GET"
    elif any(mark in route for mark in "<{:*^ "):
        source.closed[where] = "needs a value in its path"
    else:
        source.routes.append(where)


def _answers_get(call: ast.Call) -> bool:
    methods = next((word.value for word in call.keywords if word.arg == "methods"), None)
    if not isinstance(methods, (ast.List, ast.Tuple, ast.Set)):
        return True
    return any(isinstance(item, ast.Constant) and item.value == "GET" for item in methods.elts)


def _first_text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def _callable_bare(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return len(node.args.args) + len(node.args.posonlyargs) <= len(node.args.defaults) and not node.args.kwonlyargs


def _framework(call: ast.Call, names: dict[str, str]) -> str | None:
    return FRAMEWORKS.get(_dotted(call.func, names))


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local name -> full name of everything that the file imports; what packages re-export is put right."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
    return {name: "fastapi.FastAPI" if full == "fastapi.applications.FastAPI" else full for name, full in names.items()}
