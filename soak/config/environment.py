"""`${NAME}` in the strings of soak.toml, filled in from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from soak.config.place import SECRET_NAME, FromEnvironment, Place

_REFERENCE = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORTEST_SECRET = 4  # a shorter value would be found inside innocent words


def fill_in(value: Any, environ: Mapping[str, str], place: Place, secrets: dict[str, str]) -> Any:
    """The tree with every `${NAME}` replaced; `$${NAME}` stays as `${NAME}`.

    A variable that is missing is reported at its place. Values of variables that are named like secrets
    are added to `secrets` (value -> name), so that nothing that is stored or printed has to hold them.
    """
    if isinstance(value, dict):
        return {name: fill_in(item, environ, place.key(name), secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [fill_in(item, environ, place.index(number), secrets) for number, item in enumerate(value)]
    return _filled(value, environ, place, secrets) if isinstance(value, str) and "${" in value else value


def _filled(text: str, environ: Mapping[str, str], place: Place, secrets: dict[str, str]) -> str:
    def value_of(match: re.Match[str]) -> str:
        escaped, name = match[1], match[2]
        if escaped:
            return f"${{{name}}}"
        if _NAME.fullmatch(name) is None or name not in environ:
            place.problem(FromEnvironment("", match[0]), f"the name of a variable that is set ({name} is not)")
            return match[0]
        found = environ[name]
        if SECRET_NAME.search(name) and len(found) >= _SHORTEST_SECRET:
            secrets[found] = name
        return found

    return FromEnvironment(_REFERENCE.sub(value_of, text), text)


def masked(value: Any, secrets: Mapping[str, str]) -> Any:
    """A JSON-able tree in which every value of a secret stands as its `${NAME}` again."""
    if isinstance(value, dict):
        return {name: masked(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item, secrets) for item in value]
    if isinstance(value, str):
        for secret, name in secrets.items():
            value = value.replace(secret, f"${{{name}}}")
    return value
