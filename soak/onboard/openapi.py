"""Paths from an OpenAPI document, in the project's folder or served by the running service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class Documented:
    """The GET paths that can be asked for as they stand, and what the others need."""

    paths: tuple[str, ...] = ()
    closed: dict[str, str] = field(default_factory=dict)


def documented(text: str) -> Documented:
    """What a document in JSON says; nothing when it is not one."""
    try:
        return read_document(json.loads(text))
    except ValueError:
        return Documented()


def read_document(document: Any) -> Documented:
    """The GET paths of an OpenAPI document, required parameters filled in from their examples; and what is left out.

    A parameter without an example is taken at its default or its first allowed value, a whole number at 1.
    """
    root = document if isinstance(document, dict) else {}
    paths = root.get("paths")
    found: list[str] = []
    closed: dict[str, str] = {}
    for path, methods in (paths if isinstance(paths, dict) else {}).items():
        get = methods.get("get") if isinstance(methods, dict) else None
        where = f"{_prefix(root)}{path}"
        if not isinstance(get, dict):
            closed.update({where: other} if (other := _other_method(methods)) else {})
            continue
        why, filled = _filled(where, [*_parameters(methods, root), *_parameters(get, root)])
        if get.get("security", root.get("security")):
            why = "wants to be signed in"
        if why:
            closed[where] = why
        else:
            found.append(filled)
    return Documented(tuple(found), closed)


def _other_method(methods: Any) -> str:
    names = [name.upper() for name in methods if name in ("post", "put", "patch")] if isinstance(methods, dict) else []
    return f"takes {' and '.join(names)}, with a body" if names else ""


def _filled(path: str, parameters: list[dict[str, Any]]) -> tuple[str, str]:
    """(what is missing or nothing, the path with its required parameters)."""
    query: dict[str, str] = {}
    missing: list[str] = []
    for item in parameters:
        name, place = str(item.get("name")), item.get("in")
        if not item.get("required"):
            continue
        value = _example(item)
        if value is None or place not in ("path", "query"):
            missing.append(name)
        elif place == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        else:
            query[name] = value
    why = f"needs {', '.join(missing)}" if missing else "needs a value in its path" if "{" in path else ""
    return why, f"{path}?{urlencode(query)}" if query else path


def _example(item: dict[str, Any]) -> str | None:
    schema = item.get("schema") if isinstance(item.get("schema"), dict) else item
    named = item.get("examples")
    several = [one.get("value") for one in named.values() if isinstance(one, dict)] if isinstance(named, dict) else []
    for value in (item.get("example"), *several, *_of_schema(schema or {})):
        if isinstance(value, (str, int, float)):
            return str(value).lower() if isinstance(value, bool) else str(value)
    return "1" if (schema or {}).get("type") == "integer" else None


def _of_schema(schema: dict[str, Any]) -> Iterator[Any]:
    yield schema.get("example")
    yield from schema.get("examples") or ()
    yield schema.get("default")
    yield from schema.get("enum") or ()


def _parameters(place: dict[str, Any], root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters of a path or of a method, references within the document followed."""
    listed = place.get("parameters")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and isinstance(item.get("$ref"), str):
            item = _at(root, item["$ref"])
        if isinstance(item, dict):
            yield item


def _at(root: dict[str, Any], reference: str) -> Any:
    found: Any = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _prefix(root: dict[str, Any]) -> str:
    """What stands before every path: basePath of version 2, the path of the first server of version 3."""
    servers = root.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    base = root.get("basePath") or urlsplit(str(first.get("url", ""))).path
    return str(base).rstrip("/") if "{" not in str(base) else ""
