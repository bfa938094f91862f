"""Build what a case needs, run soak on it as a user would, and read what the report says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ports import free_port
from benchmarks.quick import sized

MEMORY = ("rss", "uss", "pss", "python_heap")
# The series by which a resource may be found.
SERIES = {
    "python-heap": (*MEMORY, "gc_objects"),
    "native": MEMORY,
    "node-heap": ("rss", "uss", "pss"),
    "sockets": ("sockets", "fds"),
    "tmp-files": ("tmp_files", "tmp_bytes"),
}
GRACE_S = 300.0  # for start, analysis and report
TOP = 3
UNLOCKED = ".unlocked"
QUICK_PLAN: dict[str, Any] = sized({}, {"cycle": 2, "quiet": 1, "cycles": 3})
INTERVAL = sized("500ms", "200ms")


@dataclass(frozen=True)
class Case:
    """A folder of the corpus."""

    folder: Path
    facts: dict[str, Any]

    @property
    def node(self) -> bool:
        """Whether the target is JavaScript: then no places are known."""
        return (self.folder / "target.js").exists()

    @property
    def plan(self) -> dict[str, Any]:
        """Cycles, load and limits of its runs."""
        return {**self.facts["soak"], **QUICK_PLAN}

    @property
    def innocent(self) -> bool:
        """Whether it must not be accused in any version."""
        return bool(self.facts.get("benign") or self.facts.get("bounded"))

    def versions(self) -> list[str]:
        """What is run of it."""
        if self.facts.get("benign"):
            return ["benign"]
        return ["leaky"] if self.innocent else ["leaky", "fixed"]


@dataclass
class Scored:
    """What soak said of one version of a case."""

    case: Case
    which: str
    report: dict[str, Any] | None
    why: str = ""
    leaking: list[str] = field(default_factory=list)
    rank: int | None = None
    locked: bool = True  # whether its packages are those of its lock

    def good(self) -> bool:
        """Found with its resource and its place; or not accused, by a run that went to its end."""
        verdict = (self.report or {}).get("verdict")
        if self.report is None or self.which != "leaky" or self.case.innocent:
            return verdict not in (None, "leak", "error")
        found = verdict == "leak" and any(name in series_of(self.case.facts) for name in self.leaking)
        return found and (self.case.node or (self.rank is not None and self.rank < TOP))

    def line(self) -> str:
        """A row of the table."""
        verdict = (self.report or {}).get("verdict", f"no report: {self.why}")
        rank = "-" if self.rank is None else str(self.rank)
        leaking = ", ".join(self.leaking) or "-"
        outcome = ("ok" if self.good() else "MISSED") + ("" if self.locked else ", not the packages of its lock")
        name, resource = self.case.facts["id"], self.case.facts["resource"]
        return f"| {name} | {resource} | {self.which} | {verdict} | {leaking} | {rank} | {outcome} |"


def series_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """The series by which the leak of a case may be found."""
    resource = facts["resource"]
    return SERIES.get(resource, (resource,))


def cases(corpus: Path) -> list[Case]:
    """Every case of a corpus."""
    return [Case(path.parent, json.loads(path.read_text())) for path in sorted(corpus.glob("*/case.json"))]


def run(case: Case, which: str, soak: str, cache: Path, out: Path) -> Scored:
    """One run of one version."""
    try:
        command, environment = prepared(case, which, cache)
    except subprocess.CalledProcessError as error:
        return Scored(case, which, None, f"its packages cannot be installed ({error.returncode})")
    place = out / which / case.facts["id"]
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(case.folder, place)
    (place / "soak.toml").write_text(configuration(case, command, environment, free_port()), encoding="utf-8")
    plan, locked = case.plan, not (cache / f"{case.facts['id']}.{which}" / UNLOCKED).exists()
    with (place / "stdout").open("wb") as stdout, (place / "stderr").open("wb") as stderr:
        line = [soak, "run", "-c", "soak.toml", "--json", "report.json"]
        process = subprocess.Popen(line, cwd=place, stdout=stdout, stderr=stderr, start_new_session=True)
        try:
            process.wait(plan["cycle"] * plan["cycles"] + GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    try:
        report: dict[str, Any] = json.loads((place / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Scored(case, which, None, (place / "stderr").read_text(errors="replace")[-160:], locked=locked)
    leaking = [one["name"] for one in report["series"] if one["verdict"] == "leak" and one.get("gates", True)]
    return Scored(case, which, report, "", leaking, rank(case.facts, report), locked)


def prepared(case: Case, which: str, cache: Path) -> tuple[list[str], dict[str, str]]:
    """Command and variables that start the target; its environment is built once, and again for another lock."""
    facts = case.facts
    home = cache / f"{facts['id']}.{which}"
    wanted = facts.get("requirements") or facts.get(f"requirements_{which}") or facts["requirements_leaky"]
    lock, done = case.folder / f"lock.{which}.txt", home / ".done"
    pinned = "\n".join([*wanted, lock.read_text(encoding="utf-8") if lock.exists() else ""])
    if not done.exists() or done.read_text(encoding="utf-8") != pinned:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        if case.node:
            (home / "package.json").write_text("{}")
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *wanted], cwd=home, check=True)
        else:
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            install(home, lock, wanted)
        done.write_text(pinned, encoding="utf-8")
    added = {**facts.get("env", {}), **({"FIXED": "1"} if facts.get("synthetic") and which == "fixed" else {})}
    if case.node:
        return ["node", "target.js"], {"NODE_PATH": str(home / "node_modules"), **added}
    return [str(home / "bin/python"), "target.py"], added


def install(home: Path, lock: Path, wanted: list[str]) -> None:
    """What the lock pins; or what is wanted, and UNLOCKED says so, where there is none or it does not fit here."""
    pip = [str(home / "bin/pip"), "install", "-qq", "--prefer-binary"]
    if not (lock.exists() and subprocess.run([*pip, "-r", str(lock)], check=False).returncode == 0):
        subprocess.run([*pip, *wanted], check=True)
        (home / UNLOCKED).touch()


def configuration(case: Case, command: list[str], environment: dict[str, str], port: int) -> str:
    """The soak.toml of a case."""
    facts, plan = case.facts, case.plan
    load = {"profile": "sawtooth", "cycle": f"{plan['cycle']}s", "cycles": plan["cycles"], "quiet": f"{plan['quiet']}s"}
    tables: dict[str, dict[str, Any]] = {
        "target": {
            "name": facts["id"],
            "command": command,
            "env": {**environment, "PORT": str(port)},
            "url": f"http://127.0.0.1:{port}",
            "ready": "/health",
            "startup_timeout": "60s",
        },
        "sample": {"interval": INTERVAL},
        "load": {**load, "low": min(plan["low"], plan["rate"]), "high": plan["rate"]},
        "limits": {**plan["limits"], "peak": "4GB"},
        "storage": {"url": "sqlite:///soak.db"},
    }
    lines = []
    for name, body in [*((f"[{name}]", body) for name, body in tables.items()), ("[[scenario]]", scenario(facts))]:
        lines += [name, *(f"{key} = {toml(value)}" for key, value in body.items()), ""]
    return "\n".join(lines)


def scenario(facts: dict[str, Any]) -> dict[str, Any]:
    """How the target is driven."""
    drive, body = facts.get("drive", "get"), {"name": "work", "kind": "http", "path": facts.get("path", "/work")}
    hold = facts.get("extra", {}).get("hold_s")
    held = {"hold": f"{hold}s"} if hold else {}
    if drive == "sse-disconnect":
        return {**body, "kind": "sse", "faults": {"abandon": 1.0}, **held}
    if drive == "ws-disconnect":
        said = facts.get("ws", {})
        asked = {"subprotocols": [said[key] for key in ("ws_subprotocol",) if key in said]}
        asked |= {"send": said.get("ws_messages"), "until": said.get("ws_until")}
        more = {key: value for key, value in asked.items() if value}
        return {**body, "kind": "websocket", "faults": {"abandon": 1.0}, **held, **more}
    if drive == "upload-abort":
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        return {**body, "method": "POST", "faults": {"abandon": 1.0}, "data": "x" * 65536, "headers": form}
    return {**body, "method": "GET"}


def toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(value)


def rank(facts: dict[str, Any], report: dict[str, Any]) -> int | None:
    """Best place (0 first) of a site whose stack holds one of the expected frames, in what is said of the resource: a
    frame that is named for something else that grows was not recognised.
    """
    wanted, right = facts.get("expected", {}).get("frames", []), series_of(facts)
    places = [
        place
        for finding in report["findings"]
        if any(name in right for name in (finding.get("series"), *finding.get("also", [])))
        for place, site in enumerate(finding.get("sites", []))
        for frame in [site, *site.get("traceback", [])]
        if any(
            str(frame["file"]).endswith(one["file"]) and str(frame["function"]).split(".")[-1] in one["functions"]
            for one in wanted
        )
    ]
    return min(places, default=None)
