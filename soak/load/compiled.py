"""What is compiled of the load: requests that are sent, and answers that are taken, without Python in between.

burst.c (see burst.py) and turns.c (see turns.py), compiled into one library when soak is installed. What is here is
what both need: the library, and the table of the requests with the answer that each one had last.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.load.pool import Request

LIBRARY = Path(__file__).with_name("_compiled.so")
ABI = 1  # of quick.h: what is compiled may be older than this
LONG = ctypes.c_int64
INT = ctypes.c_int32
AT = ctypes.c_void_p


def library() -> ctypes.CDLL | None:
    """What was compiled; None where it was not, cannot be loaded here, or was compiled of another version."""
    try:
        found = ctypes.CDLL(str(LIBRARY))
        return found if ctypes.c_int.in_dll(found, "soak_load_abi").value == ABI else None
    except (OSError, ValueError):  # ValueError: there is no such number in it
        return None


class _Request(ctypes.Structure):
    """`struct request` of quick.h."""

    _fields_ = (("data", ctypes.c_char_p), ("head", ctypes.c_char_p), ("length", LONG), ("head_length", LONG),
                ("size", LONG))  # fmt: skip


class Table:
    """`struct request` of each scenario; None where more is to be done than to send it."""

    def __init__(self, requests: Sequence[Request | None]) -> None:
        self._requests = requests
        self._known = (_Request * len(requests))()
        self.address = ctypes.addressof(self._known)
        for known, request in zip(self._known, requests, strict=True):
            if request is not None:
                known.data, known.length = request.data, len(request.data)

    def look_at_answers(self) -> None:
        """Have the latest answer to each request at hand, if it was a good one: another one like it needs no parser."""
        for known, request in zip(self._known, self._requests, strict=True):
            if request is not None:
                heads = request.heads
                known.head, known.head_length = heads.head, len(heads.head)
                status, kept, _ = heads.answer
                known.size = heads.size if kept and request.scenario.accepts(status) else -1
