"""Start the service once, for a few seconds: does it come up, on which port, and which paths answer?"""

from __future__ import annotations

import http.client
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from soak.config import Target
from soak.errors import SoakError
from soak.launch.ports import listening_ports
from soak.onboard.openapi import Documented, documented
from soak.onboard.project import Candidate
from soak.target import TargetProcess

START_TIMEOUT_S, ANSWER_TIMEOUT_S, STOP_TIMEOUT_S = 30.0, 5.0, 5.0
LIVES_S = 3.0
_POLL_S = 0.1
_MOST_PATHS = 30
_LOG_LINES = 12
_EVENTS = "text/event-stream"
PAGE, STREAM = "page", "stream"
_DOCUMENTS = ("/openapi.json", "/schema/openapi.json", "/swagger.json", "/api/openapi.json")
_MEANINGS = {401: ": it wants to be signed in", 403: ": not allowed", 404: ": not there", 405: ": it takes no GET"}
_MEANINGS |= {400: ": it needs parameters", 422: ": it needs parameters", 426: ": a WebSocket"}
_BROKEN = ": what it needs may be missing here"
_NOT_TO_BE_TRIED = re.compile(r"(?i)log-?out|sign-?out|shut-?down|quit|exit|delete|remove|reset|kill|stop|clear|purge")


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: the port that it listens on, how each path answered, or why it did not start."""

    port: int | None = None
    answering: tuple[str, ...] = ()  # below 400
    streams: tuple[str, ...] = ()  # answered with server-sent events
    left_out: Mapping[str, str] = field(default_factory=dict)  # path -> why nothing is sent to it
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
            if candidate.port is None:
                return _lives(target)
            port = _listening_port(target, candidate.port)
            if port is None:
                return Trial(failed=_why(target), log=_tail(target.log_path))
            return _asked(port, candidate, _from_openapi(port), _tail(target.log_path))
        except SoakError as error:
            return Trial(failed=error.message, log=_tail(target.log_path))
        finally:
            target.stop()


def _lives(target: TargetProcess) -> Trial:
    """Of what has no port, such as a worker for a queue: whether it is still there after a while."""
    deadline = time.monotonic() + LIVES_S
    while time.monotonic() < deadline and target.poll() is None:
        time.sleep(_POLL_S)
    return Trial(failed=_why(target) if target.poll() else None, log=_tail(target.log_path))


def _asked(port: int, candidate: Candidate, served: Documented, log: str) -> Trial:
    """Every path asked once; those that sound as if they changed something are not.

    What the service says of itself counts for more than what its source looks like.
    """
    known, left_out = (served.paths, dict(served.closed)) if served.paths else (candidate.paths, dict(candidate.closed))
    wanted = list(dict.fromkeys([*known, *candidate.paths, *candidate.guesses]))
    left_out |= {path: "sounds as if it changed something" for path in wanted if _NOT_TO_BE_TRIED.search(path)}
    harmless = [path for path in wanted if path not in left_out]
    answers = {path: _answer(port, path) for path in harmless[:_MOST_PATHS]}
    left_out |= {path: f"not asked, {_MOST_PATHS} others were" for path in harmless[_MOST_PATHS:] if path in known}
    left_out |= {path: answer for path, answer in answers.items() if path in known and answer not in (PAGE, STREAM)}
    pages, streams = (tuple(path for path, answer in answers.items() if answer == kind) for kind in (PAGE, STREAM))
    return Trial(port, pages, streams, {path: why for path, why in left_out.items() if path not in pages}, log=log)


def _listening_port(target: TargetProcess, expected: int | None) -> int | None:
    """The expected port as soon as the target's tree listens there, else any it listens on; None when it never does."""
    deadline = time.monotonic() + START_TIMEOUT_S
    other_since: float | None = None
    while time.monotonic() < deadline and target.poll() is None:
        ports = listening_ports(pid for pid, _ in target.roots)
        if expected in ports:
            return expected
        if ports:
            other_since = other_since or time.monotonic()
            if time.monotonic() - other_since > 1.0:  # a debugger's or metrics port may come before the real one
                return ports[0]
        time.sleep(_POLL_S)
    return None


def _from_openapi(port: int) -> Documented:
    """What the service says of itself: FastAPI, Litestar and others serve their document."""
    for path in _DOCUMENTS:
        status, _, body = _get(port, path)
        if status == 200 and (found := documented(body.decode(errors="replace"))).paths:
            return found
    return Documented()


def _answer(port: int, path: str) -> str:
    """PAGE or STREAM when it answers below 400, else what it said instead."""
    status, kind, _ = _get(port, path)
    if status is None:
        return f"gave no answer within {ANSWER_TIMEOUT_S:g} s"
    if status >= 400:
        return f"answered {status}{_MEANINGS.get(status, _BROKEN if status >= 500 else '')}"
    return STREAM if kind == _EVENTS else PAGE


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
