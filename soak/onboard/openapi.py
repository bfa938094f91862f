"""Paths from an OpenAPI document, in the project's folder or served by the running service."""

from __future__ import annotations

import json
from typing import Any


def paths_of_document(text: str) -> list[str]:
    """The paths of a document in JSON; none when it is not one."""
    try:
        return openapi_paths(json.loads(text))
    except ValueError:
        return []


def openapi_paths(document: Any) -> list[str]:
    """The GET paths of an OpenAPI document that can be asked for as they stand: no parameter that is required."""
    paths = document.get("paths") if isinstance(document, dict) else None
    found = []
    for path, methods in (paths if isinstance(paths, dict) else {}).items():
        get = methods.get("get") if isinstance(methods, dict) else None
        if not isinstance(get, dict) or "{" in path or get.get("security"):
            continue
        parameters = [*methods.get("parameters", []), *get.get("parameters", [])]
        if not any(isinstance(item, dict) and item.get("required") for item in parameters):
            found.append(path)
    return found
