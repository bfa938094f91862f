"""soak's own log on stderr: readable text, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_context: dict[str, object] = {}  # of this process: one run at a time
_mask: Callable[[str], str] = str  # what every message and traceback goes through
_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One record, one line: time (UTC), level, logger, message, and whatever `extra=` gave (run, cycle, request)."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _mask(record.getMessage()),
        }
        line.update(_context)
        line.update(_extra(record))
        if record.exc_info:
            line["exception"] = _mask(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """One record, one readable line, with the same ids at its end: `run=12 cycle=3`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with a traceback below it."""
        return _mask(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without a traceback."""
        ids = {**_context, **_extra(record)}
        return super().formatMessage(record) + "".join(f" {name}={value}" for name, value in ids.items())


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in record.__dict__.items() if name not in _OWN}


def bind(**ids: object) -> None:
    """From now on every line has these ids (run, cycle); None takes one back."""
    global _context
    known = {**_context, **ids}
    _context = {name: value for name, value in known.items() if value is not None}


@contextmanager
def masking(mask: Callable[[str], str]) -> Iterator[None]:
    """Every message goes through `mask` meanwhile: the last words of a target, for one, may hold its passwords."""
    global _mask
    before, _mask = _mask, mask
    try:
        yield
    finally:
        _mask = before


def configure(*, verbose: int, quiet: bool, log_format: str, stream: TextIO | None = None) -> None:
    """Set up the log of this process: warnings, with `verbose` 1 what happens, with 2 everything; errors if `quiet`.

    May be called again; the last call counts. A record is written with one call, so that lines of threads stay whole.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logger = logging.getLogger("soak")
    logger.handlers[:] = [handler]
    logger.setLevel(_LEVELS.get(-1 if quiet else verbose, logging.DEBUG))
    logger.propagate = False
