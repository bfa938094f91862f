"""Runs the analysis in a short-lived process, so that numpy never loads beside the measuring.

A report grows with its run. What is judged while the run goes on is therefore stored by the process that judged it: the
one that measures learns the verdict, and needs as much memory in the thousandth cycle as in the first.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from soak.errors import SoakError, interpreter_unusable

COMMAND = (sys.executable, "-P", "-m", "soak.report.compute")  # -P: the user's folder may hold a logging.py
NICENESS = 10  # an analysis between cycles must not take the processor from the target
LONGEST = 300.0  # seconds; a 12-hour run with 200 sites takes a few


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one analysis said: the verdict so far, and whether a soak that stops when decided may end now."""

    verdict: str
    stop: bool
    unkept: str | None = None  # why its report is not in the store


class Analyst:
    """At most one analysis at a time; a result is asked for with `poll` and never waited for in the main loop."""

    def __init__(self, store_url: str, run_id: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._deadline = 0.0
        self._store_url = store_url
        self._run_id = run_id
        self._verdicts: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @property
    def busy(self) -> bool:
        """Is an analysis under way?"""
        return self._process is not None

    def start(self, cycles: int, t: float, secrets: Sequence[str] = ()) -> None:
        """Begin an analysis of what is stored by now, after `cycles` cycles; nothing when one is under way.

        It puts its report into the store as that of run time `t`, with `secrets` masked.
        """
        if self._process is None:
            self._begin(cycles, {"keep": {"t": t, "cycle": cycles - 1, "secrets": list(secrets)}})

    def _begin(self, cycles: int, wish: Mapping[str, Any]) -> None:
        self._verdicts += ["inconclusive"] * (cycles - 1 - len(self._verdicts))  # looks that were left out
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- open as long as the process that writes it
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._errors,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for soak, which may want this very analysis
            )
        except OSError as error:
            self._forget()
            raise interpreter_unusable(error) from error
        self._deadline = self._monotonic() + LONGEST
        assert self._process.stdin is not None
        order = {"store": self._store_url, "run": self._run_id, "verdicts": self._verdicts, **wish}
        with contextlib.suppress(BrokenPipeError), self._process.stdin as order_pipe:  # it died: poll will see that
            order_pipe.write(json.dumps(order).encode())
        own = os.getpriority(os.PRIO_PROCESS, 0)  # under `nice -n 15` nobody but root may go back to 10
        os.setpriority(os.PRIO_PROCESS, self._process.pid, max(NICENESS, own))

    def poll(self) -> Analysis | None:
        """The result when the analysis has just ended, else None. SoakError `analysis_failed` when it broke."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            if self._monotonic() < self._deadline:
                return None
            self._kill()
        answer = self._collect()
        return Analysis(answer["verdict"], answer["stop"], answer["unkept"])

    def finish(self) -> dict[str, Any]:
        """A fresh report, waited for: one still under way has not seen the last samples and is given up."""
        self.stop()
        self._begin(len(self._verdicts) + 1, {})
        self._wait()
        report: dict[str, Any] = self._collect()["report"]
        return report

    def stop(self) -> None:
        """End an analysis that nobody needs any more."""
        if self._process is not None:
            self._kill()
            self._forget()

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _collect(self) -> dict[str, Any]:
        assert self._process is not None and self._output is not None and self._errors is not None
        code = self._process.returncode
        self._output.seek(0)
        self._errors.seek(0)
        text, complaint = self._output.read(), self._errors.read().decode(errors="replace")
        self._forget()
        try:
            answer: dict[str, Any] = json.loads(text)
        except ValueError as error:
            why = complaint.strip().splitlines()[-1:] or [f"exit {code}" if code >= 0 else f"killed by signal {-code}"]
            raise SoakError("analysis_failed", why=why[0]) from error
        self._verdicts.append(sys.intern(answer["verdict"]))
        return answer

    def _forget(self) -> None:
        for stream in (self._output, self._errors):
            if stream is not None:
                stream.close()
        self._process = self._output = self._errors = None


def _environment() -> dict[str, str]:
    """One thread is enough for tables of this size, and BLAS would start one for every core."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
