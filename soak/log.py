"""soak's own log on stderr: readable text, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

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
            "message": record.getMessage(),
        }
        line.update({name: value for name, value in record.__dict__.items() if name not in _OWN})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(*, verbose: int, quiet: bool, log_format: str, stream: TextIO | None = None) -> None:
    """Set up the log of this process: warnings, with `verbose` 1 what happens, with 2 everything; errors if `quiet`.

    May be called again; the last call counts. A record is written with one call, so that lines of threads stay whole.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logger = logging.getLogger("soak")
    logger.handlers[:] = [handler]
    logger.setLevel(_LEVELS.get(-1 if quiet else verbose, logging.DEBUG))
    logger.propagate = False
