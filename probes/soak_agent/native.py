"""Memory that Python does not account for: what the C library's allocator holds, in use and free.

`mallinfo2` (glibc 2.33 and later) adds up every arena of malloc. Python's small objects are not in it (pymalloc maps
its own arenas), larger ones are. `malloc_trim` gives free pages back: what falls then was held, not leaked.
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


class Native:
    """Figures of malloc; `why` is set where they cannot be had."""

    def __init__(self) -> None:
        self.why = ""
        self._info: Any = None
        self._trim: Any = None
        try:
            self._bind()
        except (ImportError, OSError, AttributeError, ValueError) as error:
            self.why = f"{type(error).__name__}: {error}"

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
        """Bytes: used and free in malloc, mapped for large blocks, rss; with `trim`, rss after giving back as well."""
        figures: dict[str, Any] = {"rss": rss(), "why": self.why}
        if self._info is not None:
            info = self._info()
            figures.update(used=info.uordblks, free=info.fordblks, mapped=info.hblkhd)
            if trim:
                self._trim(0)
                figures["rss_trimmed"] = rss()
        return figures


def rss() -> int:
    """Resident bytes of this process, from /proc/self/statm."""
    return int(read_file("/proc/self/statm").split()[1]) * PAGE
