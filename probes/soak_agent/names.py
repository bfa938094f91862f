"""Names for a person: of a class, and of the function a line belongs to (tracemalloc knows file and line only)."""

from __future__ import annotations

from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Ranges = list[tuple[int, int, str]]


module_of = type.__dict__["__module__"].__get__  # past metaclasses, which may run the target's code
_name_of = type.__dict__["__qualname__"].__get__
_flags_of = type.__dict__["__flags__"].__get__
CLASS = 1 << 31  # Py_TPFLAGS_TYPE_SUBCLASS


def is_class(item: Any) -> bool:
    """Whether it is a class; `isinstance` would ask the object itself."""
    return bool(_flags_of(type(item)) & CLASS)


def type_name(kind: type) -> str:
    """The class as a person would write it: module and name, builtins without module."""
    module, name = module_of(kind), _name_of(kind)
    return str(name) if module == "builtins" or not isinstance(module, str) else f"{module}.{name}"


class Names:
    """Remembers (file, line) -> function; looks through the loaded functions only for lines not asked before."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], str] = {}
        self.objects = load("gc").get_objects

    def clear(self) -> None:
        """Forget everything."""
        self.known.clear()

    def learn(self, wanted: set[tuple[str, int]]) -> None:
        """Find the functions of the lines in `wanted` that are not known yet."""
        missing = wanted.difference(self.known)
        if not missing:
            return
        ranges: dict[str, Ranges] = {file: [] for file, _ in missing}
        kind = type(_spans)
        for item in self.objects():
            if type(item) is kind:
                code = item.__code__
                if code.co_filename in ranges:
                    _spans(code, ranges[code.co_filename])
        for file, line in missing:
            around = [span for span in ranges[file] if span[0] <= line <= span[1]]
            self.known[file, line] = min(around, key=lambda span: span[1] - span[0])[2] if around else "<module>"

    def of(self, file: str, line: int) -> str:
        """The function around a line that was learnt."""
        return self.known.get((file, line), "<module>")


def _spans(code: Any, found: Ranges) -> None:
    lines = [line for line in _lines(code) if line]
    body = [line for line in lines if line > code.co_firstlineno] or lines  # the `def` line runs in the scope around it
    if body:
        found.append((min(body), max(body), getattr(code, "co_qualname", code.co_name)))
    for constant in code.co_consts:
        if hasattr(constant, "co_consts"):
            _spans(constant, found)


def _lines(code: Any) -> list[int]:
    if hasattr(code, "co_lines"):
        return [line for _, _, line in code.co_lines()]
    line, found = code.co_firstlineno, [code.co_firstlineno]
    for step in code.co_lnotab[1::2]:  # 3.9
        line += step - 256 if step > 127 else step
        found.append(line)
    return found
