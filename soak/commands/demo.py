"""`soak demo`: the bundled target leaky and clean, both soaked by the real `soak run`, and a check of the verdicts."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from soak.commands import DURATION, Globals, writing
from soak.demo.leaks import Planted, truth
from soak.errors import EXIT_CLEAN, EXIT_ERROR, EXIT_LEAK, UsageError

CYCLE_SECONDS = 10.0
CYCLES = 9  # judge wants eight, and drops the first as warm-up
STOP_TIMEOUT_S = 20.0
# Below the range from which the kernel takes ports for connections: such a one may be taken before the target has it.
PORTS = range(30_000, 32_768)
HERE = Path(__file__).parents[2]  # the target's folder: the report names its files relative to it
_LAST_LINES = 12
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: after a fork there is no time for it

_CONFIGURATION = """\
[target]
name = "demo-{name}"
command = {command}
cwd = {cwd}
env = {{ SOAK_DEMO_LEAK = "{leak}" }}
url = "http://127.0.0.1:{port}"
ready = "/health"

[load]
cycle = "{cycle}s"
cycles = {cycles}
low = 5
high = 40

[[scenario]]
name = "work"
path = "/work"

[storage]
url = "sqlite:///soak.db"
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the two soaks: its name, what leaks in it, its folder and its port."""

    name: str
    leak: str
    folder: Path
    port: int

    @property
    def report_file(self) -> Path:
        """Where its `soak run` leaves the report."""
        return self.folder / "report.json"

    def write(self, cycle: float, cycles: int) -> None:
        """Its soak.toml."""
        self.folder.mkdir(parents=True, mode=0o700)
        command = json.dumps([sys.executable, "-m", "soak.demo.target", "--port", str(self.port)])
        text = _CONFIGURATION.format(
            name=self.name,
            command=command,
            cwd=json.dumps(str(HERE)),
            leak=self.leak,
            port=self.port,
            cycle=f"{cycle:g}",
            cycles=cycles,
        )
        (self.folder / "soak.toml").write_text(text, encoding="utf-8")

    def report(self) -> dict[str, Any]:
        """The report, empty when the soak left none."""
        try:
            found: dict[str, Any] = json.loads(self.report_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found


@click.command()
@click.option("--cycles", type=click.IntRange(min=3), default=CYCLES, show_default=True, help="Cycles of each soak.")
@click.option("--cycle", type=DURATION, default=CYCLE_SECONDS, help="Length of a cycle.  [default: 10s]")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep configurations, stores and reports in this folder.")
@click.pass_obj
def command(options: Globals, cycles: int, cycle: float, keep: Path | None) -> int:
    """Soak the bundled target twice at once, leaky and clean, and print both reports.

    Ends with 0 if and only if both planted truths came out: the leaky one is called a leak and its guilty
    line is named first, the clean one is called clean.
    """
    with _workplace(keep) as folder:
        variants = _variants(folder)
        for variant in variants:
            variant.write(cycle, cycles)
        if not options.quiet:
            minutes = cycles * cycle / 60
            click.echo(f"soak demo: two soaks at once, {cycles} cycles of {cycle:g} s: {minutes:.1f} minutes", err=True)
        said = _soak(variants, relay=not options.quiet)
        for variant, lines in zip(variants, said, strict=True):
            _show(variant, () if not options.quiet or variant.report() else lines)
        return _conclude(variants)


@contextlib.contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    """The folder for everything, removed afterwards unless somebody asked to keep it."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="soak-demo-") as name:
            yield Path(name)
    elif keep.exists():
        raise UsageError("folder_exists", path=keep)
    else:
        with writing(keep):
            keep.mkdir(parents=True, mode=0o700)
        yield keep.resolve()


def _variants(folder: Path) -> tuple[Variant, Variant]:
    """Both soaks, each with a port that was free just now."""
    ports = (port for port in random.sample(PORTS, len(PORTS)) if _is_free(port))
    return Variant("leaky", "list", folder / "leaky", next(ports)), Variant("clean", "", folder / "clean", next(ports))


def _is_free(port: int) -> bool:
    with socket.socket() as holder:
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _soak(variants: tuple[Variant, ...], *, relay: bool) -> list[deque[str]]:
    """Run all soaks at once and wait; whatever happens, none is left running. Gives the last lines of each."""
    running = [_start(variant) for variant in variants]
    said: list[deque[str]] = [deque(maxlen=_LAST_LINES) for _ in variants]
    relays = [
        threading.Thread(target=_relay, args=(variant.name, process, lines, relay), daemon=True)
        for variant, process, lines in zip(variants, running, said, strict=True)
    ]
    try:
        for thread in relays:
            thread.start()
        for process in running:
            process.wait()
        for thread in relays:
            thread.join()
    finally:
        _stop(running)
    return said


def _start(variant: Variant) -> subprocess.Popen[str]:
    """`soak run` as a user would call it, in the variant's folder and free of our own SOAK_ settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOAK_")}
    arguments = ["run", "-c", "soak.toml", "--json", variant.report_file.name]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "soak", *arguments],
        cwd=variant.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        preexec_fn=_end_with_parent,
    )


def _end_with_parent() -> None:
    """In the child, before it becomes `soak run`: SIGTERM when we are gone, by whatever end (prctl(2))."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _relay(name: str, process: subprocess.Popen[str], last: deque[str], show: bool) -> None:
    """Pass the progress of one soak on, each line with its name; keeps the last ones for when it fails unseen."""
    assert process.stderr is not None
    for line in process.stderr:
        last.append(line.rstrip())
        if show and line.strip():
            click.echo(f"{name}: {line.rstrip()}", err=True)


def _stop(running: list[subprocess.Popen[str]]) -> None:
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _show(variant: Variant, failed: Iterable[str]) -> None:
    """Print the stored report as `soak report` prints it, straight to our own stdout; what a failed soak said first."""
    for line in failed:
        click.echo(f"{variant.name}: {line}", err=True)
    click.echo(f"\n=== {variant.name} target ===\n")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-P", "-m", "soak", "report", "-c", "soak.toml"], cwd=variant.folder, check=False)


def _conclude(variants: tuple[Variant, Variant]) -> int:
    """Compare both reports with what was planted, say so, and turn it into the exit code."""
    leaky, clean = variants
    faults = [*faults_of_leaky(leaky.report(), truth(leaky.leak)), *faults_of_clean(clean.report())]
    planted = truth(leaky.leak)
    click.echo("")
    if faults:
        click.echo("soak demo: NOT what was planted: " + "; ".join(faults))
        return EXIT_ERROR if not (leaky.report() and clean.report()) else EXIT_LEAK
    where = f"{shortened(planted.file)}:{planted.line} {planted.function}()"
    click.echo(f"soak demo: both planted truths came out: leaky = leak at {where}, clean = clean")
    return EXIT_CLEAN


def faults_of_leaky(report: dict[str, Any], planted: Planted) -> list[str]:
    """What is wrong with the report on the leaky target; nothing when the planted line comes first."""
    if report.get("verdict") != "leak":
        return [f"leaky: the verdict is {report.get('verdict')}, not leak"]
    site = next((found["sites"][0] for found in report.get("findings", []) if found.get("sites")), None)
    if site is None:
        return ["leaky: no site is named"]
    if not same_place(site, planted):
        named = f"{site.get('file')}:{site.get('line')} {site.get('function')}"
        return [f"leaky: {named} is named, not {shortened(planted.file)}:{planted.line} {planted.function}"]
    return []


def faults_of_clean(report: dict[str, Any]) -> list[str]:
    """What is wrong with the report on the clean target."""
    verdict = report.get("verdict")
    return [] if verdict == "clean" else [f"clean: the verdict is {verdict}, not clean"]


def same_place(site: dict[str, Any], planted: Planted) -> bool:
    """Whether a site of a report is the planted one: file, line and function."""
    function = str(site.get("function", "")).rpartition(".")[2]
    file = str(site.get("file", ""))
    return file.endswith(shortened(planted.file)) and site.get("line") == planted.line and function == planted.function


def shortened(file: str) -> str:
    """The path from the package on: soak/demo/leaks.py."""
    return "/".join(Path(file).parts[-3:])
