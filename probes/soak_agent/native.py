"""Memory that Python does not account for: what the C library's allocator and Python's own hold, in use and free.

`mallinfo2` (glibc 2.33 and later) adds up every arena of malloc. Python's small objects are not in it: pymalloc maps
its own arenas, and counts them in `_PyObject_DebugMallocStats`, which writes a table to a C stream; it is given one in
memory and is read from there (0.2 ms for 70 MB of small objects, one number from each pool). `malloc_trim` gives free
pages back: what falls then was held, not leaked.
"""

from __future__ import annotations

import os

from .stdlib import load, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
PAGE = os.sysconf("SC_PAGE_SIZE")
CDECL = 1  # of _ctypes: an ordinary C function, called without the GIL
KEEPS_GIL = 5  # the same with the GIL held: nobody allocates meanwhile
TABLE = 16 * 1024  # bytes; what pymalloc writes has about 4,000


class Native:
    """Figures of the allocators; `why` is set where those of malloc cannot be had, `why_python` for pymalloc's."""

    def __init__(self) -> None:
        self.why = self.why_python = ""
        self._info: Any = None
        self._trim: Any = None
        self._arenas: Any = None
        try:
            self._bind()
        except (ImportError, OSError, AttributeError, ValueError) as error:
            self.why = f"{type(error).__name__}: {error}"
        try:
            self._arenas = _Arenas()
        except (ImportError, OSError, AttributeError, ValueError) as error:
            self.why_python = f"{type(error).__name__}: {error}"

    def _bind(self) -> None:
        """The two functions, by the C module under ctypes (ctypes itself imports what a target may shadow)."""
        c = load("_ctypes")
        size = type("Size", (c._SimpleCData,), {"_type_": "L"})
        number = type("Number", (c._SimpleCData,), {"_type_": "i"})
        info = type("Info", (c.Structure,), {"_fields_": [(name, size) for name in FIELDS]})
        library = c.dlopen(None, os.RTLD_NOW)
        asks = type("Asks", (c.CFuncPtr,), {"_flags_": CDECL, "_restype_": info})
        trims = type("Trims", (c.CFuncPtr,), {"_flags_": CDECL, "_restype_": number, "_argtypes_": [size]})
        self._info = asks(c.dlsym(library, "mallinfo2"))
        self._trim = trims(c.dlsym(library, "malloc_trim"))

    def read(self, trim: bool) -> dict[str, Any]:
        """Bytes: used and free in malloc and (`py_`) in pymalloc, mapped for large blocks, resident pages by kind.

        With `trim`, `rss_trimmed` is what is resident after malloc has given back its free pages.
        """
        figures: dict[str, Any] = {"rss": rss(), "why": self.why, "why_python": self.why_python, **resident()}
        if self._arenas is not None:
            figures.update(self._arenas.read())
        if self._info is not None:
            info = self._info()
            figures.update(used=info.uordblks, free=info.fordblks, mapped=info.hblkhd)
            if trim:
                self._trim(0)
                figures["rss_trimmed"] = rss()
        return figures


class _Arenas:
    """pymalloc's own table, written to a stream in memory. AttributeError or OSError where this Python has none."""

    def __init__(self) -> None:
        c = load("_ctypes")
        place = type("Place", (c._SimpleCData,), {"_type_": "P"})
        size = type("Size", (c._SimpleCData,), {"_type_": "L"})
        number = type("Number", (c._SimpleCData,), {"_type_": "i"})
        byte = type("Byte", (c._SimpleCData,), {"_type_": "c"})
        text = type("Text", (c._SimpleCData,), {"_type_": "z"})
        library = c.dlopen(None, os.RTLD_NOW)

        def function(name: str, flags: int, result: Any, *arguments: Any) -> Any:
            kind = {"_flags_": flags, "_restype_": result, "_argtypes_": arguments}
            return type("Function", (c.CFuncPtr,), kind)(c.dlsym(library, name))

        self.opens = function("fmemopen", CDECL, place, place, size, text)
        self.closes = function("fclose", CDECL, number, place)
        self.writes = function("_PyObject_DebugMallocStats", KEEPS_GIL, number, place)
        self.room = type("Room", (c.Array,), {"_type_": byte, "_length_": TABLE})()
        self.address = c.addressof(self.room)

    def read(self) -> dict[str, int]:
        """`py_arenas`, `py_used` and `py_free` in bytes; empty when the table is not there or not understood."""
        stream = self.opens(self.address, TABLE, b"w")
        if not stream:
            return {}
        try:
            self.writes(stream)
        finally:
            self.closes(stream)
        return parsed(self.room.raw.partition(b"\0")[0].decode("ascii", "replace"))


def parsed(table: str) -> dict[str, int]:
    """The two sums in pymalloc's table: bytes of all arenas, and of them in allocated blocks."""
    arenas = used = -1
    for line in table.splitlines():
        name, _, value = line.partition("=")
        digits = value.replace(",", "").strip()
        if digits.isdigit():
            if "bytes/arena" in name:
                arenas = int(digits)
            elif "bytes in allocated blocks" in name:
                used = int(digits)
    return {"py_arenas": arenas, "py_used": used, "py_free": arenas - used} if 0 <= used <= arenas else {}


def rss() -> int:
    """Resident bytes of this process, from /proc/self/statm."""
    return int(read_file("/proc/self/statm").split()[1]) * PAGE


def resident() -> dict[str, int]:
    """Resident bytes by kind, from /proc/self/status: `anonymous`, and `files` (mapped files and shared memory)."""
    found = {"RssAnon": 0, "RssFile": 0, "RssShmem": 0}
    for line in read_file("/proc/self/status").decode("ascii", "replace").splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return {"anonymous": found["RssAnon"], "files": found["RssFile"] + found["RssShmem"]}
