"""Which functions put things into a container: found in the byte code of the module or class it belongs to.

What a leak keeps is often allocated in one place and put into a registry in another; the second is the line to change.
Only functions of the owner are looked at: those of the module whose variable the container is, or of the classes of the
object whose attribute it is. A function counts when it names the variable and stores into something by key, or names
one of the methods that make a container grow; for a container that makes missing items, reading by key counts too.
"""

from __future__ import annotations

import sys

from .names import is_class, module_of
from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType
    from typing import Any

GROWERS = frozenset(
    {"add", "append", "appendleft", "extend", "insert", "put", "put_nowait", "setdefault", "update", "heappush"}
)
DEEP = 6  # functions inside functions
MOST = 8  # functions named

_Code, _Function = type(load.__code__), type(load)


def fillers(owner: Any, name: str, container: Any) -> list[list[Any]]:
    """[file, line, function] of the functions of `owner` that make its `name`, which is `container`, grow."""
    opcodes = _storing(container)
    found: list[list[Any]] = []
    for code in _codes(owner):
        if name in code.co_names and (GROWERS.intersection(code.co_names) or opcodes.intersection(code.co_code[::2])):
            function = getattr(code, "co_qualname", code.co_name)
            found.append([code.co_filename, _line(code, name), function])
            if len(found) == MOST:
                break
    return found


def wrapped(item: Any) -> list[list[Any]]:
    """[file, line, function] of what a cache such as functools.lru_cache wraps; empty for anything else."""
    inner = _attribute(item, "__wrapped__")
    if type(inner) is not _Function:
        return []
    code = inner.__code__
    return [[code.co_filename, code.co_firstlineno, inner.__qualname__]]


def _attribute(item: Any, name: str) -> Any:
    """What an object itself has under a name, without a word of the target's; None where it has nothing."""
    try:
        space = object.__getattribute__(item, "__dict__")
    except (AttributeError, TypeError):
        return None
    return space.get(name) if type(space) is dict else None


def _storing(container: Any) -> set[int]:
    opmap = load("opcode").opmap
    names = ["STORE_SUBSCR"]
    if hasattr(type(container), "__missing__"):
        names += ["BINARY_SUBSCR", "BINARY_OP"]
    return {opmap[name] for name in names if name in opmap}


def _codes(owner: Any) -> Iterator[CodeType]:
    """The code of every function that belongs to a module, or to the classes of an object."""
    if type(owner) is type(sys):
        name = owner.__dict__.get("__name__")
        for value in list(owner.__dict__.values()):
            if _module_name(value) == name:
                yield from _of(value)
        return
    for kind in type.__dict__["__mro__"].__get__(owner if is_class(owner) else type(owner)):
        yield from _of(kind)


def _module_name(value: Any) -> Any:
    if type(value) is _Function:
        return value.__module__
    found = module_of(value) if is_class(value) else _attribute(value, "__module__")
    return found if type(found) is str else None


def _of(value: Any) -> Iterator[CodeType]:
    if is_class(value):
        for member in list(type.__dict__["__dict__"].__get__(value).values()):
            yield from _of_function(member)
    else:
        yield from _of_function(value)


def _of_function(member: Any) -> Iterator[CodeType]:
    if type(member) in (classmethod, staticmethod):
        member = member.__func__
    elif type(member) is property:
        member = member.fget
    for inner in (_attribute(member, "__wrapped__"), member):
        if type(inner) is _Function:
            yield from _inside(inner.__code__, DEEP)
            break


def _inside(code: CodeType, depth: int) -> Iterator[CodeType]:
    yield code
    if depth:
        for constant in code.co_consts:
            if type(constant) is _Code:
                yield from _inside(constant, depth - 1)


def _line(code: CodeType, name: str) -> int:
    """The first line on which the function loads `name`; its own first line before Python 3.10."""
    if not hasattr(code, "co_lines"):
        return code.co_firstlineno
    wanted = code.co_names.index(name)
    opcode = load("opcode")
    at = _offset(code.co_code, wanted, opcode)
    for begin, end, line in code.co_lines():
        if line is not None and begin <= at < end:
            return int(line)
    return code.co_firstlineno


def _offset(data: bytes, wanted: int, opcode: Any) -> int:
    """Where an instruction first takes name number `wanted`; two instructions keep a flag in the lowest bit."""
    version = sys.version_info
    flagged = {opcode.opmap.get("LOAD_GLOBAL")} if version >= (3, 11) else set()
    if version >= (3, 12):
        flagged.add(opcode.opmap.get("LOAD_ATTR"))
    argument = 0
    for offset in range(0, len(data) - 1, 2):
        operation = data[offset]
        argument = argument << 8 | data[offset + 1]
        if operation == opcode.opmap["EXTENDED_ARG"]:
            continue
        if operation in opcode.hasname and (argument >> 1 if operation in flagged else argument) == wanted:
            return offset
        argument = 0
    return 0
