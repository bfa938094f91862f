"""A folder in which commands of the documents run as they stand: a target, a `soak` on the path, ports of its own.

What is written for a night is run in seconds. Nothing is asserted of what such a soak finds: it is too short for that,
and the machine may be busy. Of its exit code only that it is one of those that a verdict has.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.common import free_port

APP = Path(__file__).with_name("app.py")
PATIENCE_S = 1500.0  # for one script; the longest takes two minutes on a machine that has nothing else to do
CONFIGURATION = """\
[target]
name = "{name}"
command = [{python!r}, "-m", "uvicorn", "app:app", "--port", "{port}"]
url = "http://127.0.0.1:{port}"
startup_timeout = "2m"

[load]
cycle = "2s"
cycles = 3
quiet = "700ms"
low = 5
high = 20

[[scenario]]
name = "work"
path = "/work"

[schedule]
every = "1h"

[web]
listen = "127.0.0.1:{web}"
"""
# `soak init` tries the web line first; by itself it would take port 8000, which others on this machine know too.
PROCFILE = "web: {python} -m uvicorn app:app --port {port}\n"
# Verdicts are answers like any others: three cycles of two seconds are not there to find anything. A target that is
# not given the processor in one of them answers nothing, which ends a soak with 4 and this message.
WRAPPER = """\
#!/bin/bash
case " $* " in
*" run "* | *" check "* | *" compare "* | *" demo "*) ;;
*) exec {soak} "$@" ;;
esac
said=$(mktemp)
{soak} "$@" >"$said" 2>&1
code=$?
cat "$said"
case "$code" in
1 | 3) code=0 ;;
4) grep -q "Not one request of cycle" "$said" && code=0 ;;
esac
rm "$said"
exit "$code"
"""
CURL = """\
#!{python}
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[-1])
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.buffer.write(answer.read())
"""
SHORT = (
    (re.compile(r"--cycles \d+"), "--cycles 3"),
    (re.compile(r"--cycle \d+\w+"), "--cycle 2s"),
    (re.compile(r"\bsoak demo\b"), "soak demo --cycles 3 --cycle 2s"),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """The folder, the port of the target and that of the daemon."""

    folder: Path
    port: int
    web: int

    @classmethod
    def make(cls, folder: Path, *, configured: bool, name: str = "service") -> Stage:
        """A project with the tiny target; with its soak.toml, or with what `soak init` needs to write one."""
        stage = cls(folder, free_port(), free_port())
        folder.mkdir(exist_ok=True)
        shutil.copy(APP, folder)
        facts = {"name": name, "python": sys.executable, "port": stage.port, "web": stage.web}
        if configured:
            (folder / "soak.toml").write_text(CONFIGURATION.format(**facts))
        else:
            (folder / "Procfile").write_text(PROCFILE.format(**facts))
        return stage.equipped()

    def equipped(self) -> Stage:
        """With a `soak` of its own in bin/, and with as much of a curl as the documents need where there is none."""
        (self.folder / "bin").mkdir()
        programs = {"soak": WRAPPER.format(soak=f"{sys.executable} -P -m soak")}
        if shutil.which("curl") is None:
            programs["curl"] = CURL.format(python=sys.executable)
        for name, text in programs.items():
            (self.folder / "bin" / name).write_text(text)
            (self.folder / "bin" / name).chmod(0o755)
        return self

    @property
    def environment(self) -> dict[str, str]:
        """That of the tests without soak's settings; `soak` and the interpreter of the tests come first."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SOAK_")}
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{clean['PATH']}"
        return {**clean, "PATH": path, "PORT": str(self.port), "COLUMNS": "120"}

    def shortened(self, script: str) -> str:
        """The script with cycles of seconds, and with ports that nobody else has."""
        for pattern, instead in SHORT:
            script = pattern.sub(instead, script)
        return script.replace("127.0.0.1:8765", f"127.0.0.1:{self.web}").replace(
            "127.0.0.1:8000", f"127.0.0.1:{self.port}"
        )

    def run(self, script: str) -> Done:
        """Run it in bash; it stops at the first command that fails."""
        return run(self.shortened(script), self.folder, self.environment)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a script: its exit code (None: it had to be killed) and what it printed, errors too."""

    script: str
    code: int | None
    said: str

    def require(self, *codes: int) -> str:
        """What it printed; fails with it when its exit code is another one (0 when none is given)."""
        assert self.code in (codes or (0,)), f"ended with {self.code}:\n{self.script}\n{self.said}"
        return self.said


def run(script: str, folder: Path, environment: Mapping[str, str], timeout: float = PATIENCE_S) -> Done:
    """Run a script in bash, in a session of its own; whatever it left running is killed with it."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(timeout)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.seek(0)
        return Done(script, code, output.read())
