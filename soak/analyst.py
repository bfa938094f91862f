"""Runs the analysis in a short-lived process, so that numpy never loads beside the measuring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import IO, Any

from soak.errors import SoakError

NICENESS = 10  # an analysis between cycles must not take the processor from the target
LONGEST = 300.0  # seconds; a 12-hour run with 200 sites takes a few


class Analyst:
    """At most one analysis at a time; a result is asked for with `poll` and never waited for in the main loop."""

    def __init__(self, store_url: str, run_id: int) -> None:
        self._command = [sys.executable, "-P", "-m", "soak.report.compute", store_url, str(run_id)]
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @property
    def busy(self) -> bool:
        """Is an analysis under way?"""
        return self._process is not None

    def start(self) -> None:
        """Begin an analysis of what is stored by now; nothing when one is under way."""
        if self._process is not None:
            return
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- open as long as the process that writes it
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._errors, env=_environment()
        )
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    def poll(self) -> dict[str, Any] | None:
        """The report when the analysis has just ended, else None. SoakError `analysis_failed` when it broke."""
        if self._process is None or self._process.poll() is None:
            return None
        return self._collect()

    def finish(self) -> dict[str, Any]:
        """A fresh report, waited for: one still under way has not seen the last samples and is let end first."""
        if self._process is not None:
            self._wait()
            self._collect()
        self.start()
        self._wait()
        return self._collect()

    def stop(self) -> None:
        """End an analysis that nobody needs any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(LONGEST)
        except subprocess.TimeoutExpired:
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
            report: dict[str, Any] = json.loads(text)
        except ValueError as error:
            why = complaint.strip().splitlines()[-1:] or [f"exit {code}"]
            raise SoakError("analysis_failed", why=why[0]) from error
        return report

    def _forget(self) -> None:
        for stream in (self._output, self._errors):
            if stream is not None:
                stream.close()
        self._process = self._output = self._errors = None


def _environment() -> dict[str, str]:
    """One thread is enough for tables of this size, and BLAS would start one for every core."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
