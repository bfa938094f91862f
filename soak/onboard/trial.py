"""Start the service once, for a few seconds: does it come up, on which port, and which paths answer?"""

from __future__ import annotations

import contextlib
import http.client
import re
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from soak.config import Target
from soak.errors import SoakError
from soak.onboard.openapi import paths_of_document
from soak.onboard.project import Candidate
from soak.target import TargetProcess

START_TIMEOUT_S, ANSWER_TIMEOUT_S, STOP_TIMEOUT_S = 30.0, 5.0, 5.0
_POLL_S = 0.1
_MOST_PATHS = 30
_LOG_LINES = 12
_EVENTS = "text/event-stream"
_NOT_TO_BE_TRIED = re.compile(r"(?i)log-?out|sign-?out|shut-?down|quit|exit|delete|remove|reset|kill|stop|clear|purge")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: the port that it listens on, the paths that answered below 400, or why it did not start."""

    port: int | None = None
    answering: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()  # answered with server-sent events
    failed: str | None = None
    log: str = ""


def try_out(candidate: Candidate, folder: Path) -> Trial:
    """Start the candidate in `folder`, ask it for its paths, and stop it again, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="soak-init-") as run_dir:
        settings = Target(
            command=candidate.command,
            env=candidate.env,
            cwd=folder / candidate.cwd,
            stop_timeout=STOP_TIMEOUT_S,
        )
        target = TargetProcess(settings)
        try:
            target.start(Path(run_dir), {})
            port = _listening_port(target, candidate.port)
            if port is None:
                return Trial(failed=_why(target), log=_tail(target.log_path))
            return _asked(port, (*candidate.paths, *_from_openapi(port)), _tail(target.log_path))
        except SoakError as error:
            return Trial(failed=error.message, log=_tail(target.log_path))
        finally:
            target.stop()


def _asked(port: int, wanted: Iterable[str], log: str) -> Trial:
    """The paths that answer below 400, those that sound as if they changed something left out."""
    paths = [path for path in dict.fromkeys(wanted) if not _NOT_TO_BE_TRIED.search(path)][:_MOST_PATHS]
    kinds = {path: _answer(port, path) for path in paths}
    answering = tuple(path for path, kind in kinds.items() if kind == "page")
    return Trial(port, answering, tuple(path for path, kind in kinds.items() if kind == "stream"), log=log)


def _listening_port(target: TargetProcess, expected: int | None) -> int | None:
    """The expected port as soon as the target's tree listens there, else any it listens on; None when it never does."""
    deadline = time.monotonic() + START_TIMEOUT_S
    other_since: float | None = None
    while time.monotonic() < deadline and target.poll() is None:
        ports = sorted(_ports(pid for pid, _ in target.roots))
        if expected in ports:
            return expected
        if ports:
            other_since = other_since or time.monotonic()
            if time.monotonic() - other_since > 1.0:  # a debugger's or metrics port may come before the real one
                return ports[0]
        time.sleep(_POLL_S)
    return None


def _ports(roots: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for root in roots:
        with contextlib.suppress(psutil.Error):
            tree = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
            for process in tree:
                with contextlib.suppress(psutil.Error):
                    sockets = process.net_connections("tcp")
                    found.update(item.laddr.port for item in sockets if item.status == psutil.CONN_LISTEN)
    return found


def _from_openapi(port: int) -> list[str]:
    status, _, body = _get(port, "/openapi.json")
    return paths_of_document(body.decode(errors="replace")) if status == 200 else []


def _answer(port: int, path: str) -> str | None:
    """ "page" or "stream" when it answers below 400, else None."""
    status, kind, _ = _get(port, path)
    if status is None or status >= 400:
        return None
    return "stream" if kind == _EVENTS else "page"


def _get(port: int, path: str) -> tuple[int | None, str, bytes]:
    """Status, content type and the first megabyte of the answer; None when there was none in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={"Connection": "close", "Accept": "*/*"})
        answer = connection.getresponse()
        kind = answer.headers.get_content_type()
        return answer.status, kind, b"" if kind == _EVENTS else answer.read(1 << 20)
    except (OSError, ValueError, http.client.HTTPException):
        return None, "", b""
    finally:
        connection.close()


def _why(target: TargetProcess) -> str:
    ended = target.poll()
    if ended is not None:
        return f"it ended by itself: {ended.message}"
    return f"it listened on no port within {START_TIMEOUT_S:g} s"


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])
