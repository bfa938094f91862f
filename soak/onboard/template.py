"""The commented soak.toml that `soak init` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_HEAD = """\
# soak.toml: what `soak run` does in this folder. Written by `soak init` for: {what}.
# Every key, with its default and meaning: docs/reference-configuration.md. Try it out in a minute with
#   soak doctor && soak run --cycles 3 --cycle 20s
"""

_MOST_LEFT_OUT = 20
_LOAD = """\
[load]
profile = "sawtooth"  # from low up to high in every cycle, then quiet: like is compared with like
cycle = "1h"          # shorter cycles answer sooner and see less: soak says what they can decide
cycles = 8            # a verdict takes 4 to 8; the first is warm-up
low = {low}               # requests/s over all scenarios
high = {high}
# quiet = "9m"        # no load at the end of each cycle; default 15 % of the cycle
"""

_LIMITS = """\
[limits]              # what still counts as clean; these are the defaults
# growth = "1MB/h"    # of memory; also "1MB/cycle" and "512B/request"
# peak = "+10MB"      # rss over its floor
# fds = "0.5/h"       # also sockets, threads, tasks, children, tmp_files
# errors = "0.1%"
# p99 = "500ms"
# cpu = "80%"         # of one core

[storage]
url = "sqlite:///soak.db"  # relative to this file
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was found or answered: everything that the file says and its defaults do not."""

    what: str
    name: str
    url: str | None
    command: Sequence[str] = ()
    container: str | None = None
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = None
    paths: Sequence[str] = ()
    low: int = 1
    high: int = 10
    notes: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)  # path -> why there is no scenario for it


def render(answers: Answers) -> str:
    """The whole file."""
    parts = [_HEAD.format(what=_one_line(answers.what))]
    parts += [f"# NOTE: {_one_line(note)}" for note in answers.notes] + ([""] if answers.notes else [])
    parts += [_target(answers), _load(answers), *_scenarios(answers), _LIMITS]
    return "\n".join(parts)


def _target(answers: Answers) -> str:
    lines = ["[target]", f"name = {_text(answers.name)}"]
    if answers.command:
        lines.append(f"command = {_list(answers.command)}  # started and stopped by soak")
    if answers.container:
        lines.append(f"container = {_text(answers.container)}  # has to run already; soak attaches to it")
    if answers.cwd != ".":
        lines.append(f"cwd = {_text(answers.cwd)}")
    if answers.env:
        inside = ", ".join(f"{_key(name)} = {_text(value)}" for name, value in answers.env.items())
        lines.append(f"env = {{ {inside} }}")
    if answers.url:
        lines.append(f"url = {_text(answers.url)}")
        ready = f"ready = {_text(answers.ready)}" if answers.ready else '# ready = "/health"'
        lines.append(f"{ready}  # answers below 500 when the service is up; without it, its port has to accept")
    return "\n".join([*lines, ""])


def _load(answers: Answers) -> str:
    if answers.url:
        return _LOAD.format(low=answers.low, high=answers.high)
    return '[load]\nprofile = "none"  # something else makes the load\ncycle = "1h"\ncycles = 8\n'


def _scenarios(answers: Answers) -> list[str]:
    if not answers.url:
        return []
    blocks: list[str] = []
    names: set[str] = set()
    for path in answers.paths or ("/",):
        name = scenario_name(path)
        while name in names:
            name += "_"
        names.add(name)
        weight = "weight = 1  # its share of the requests" if not blocks else "weight = 1"
        blocks.append(f"[[scenario]]\nname = {_text(name)}\npath = {_text(path)}\n{weight}\n")
    example = (
        '# [[scenario]]\n# name = "buy"\n# method = "POST"\n# path = "/orders"\n'
        '# json = { item = "book" }\n# expect = { status = [201], max_ms = 500 }\n'
    )
    return [*blocks, *_left_out(answers.left_out), example]


def _left_out(paths: Mapping[str, str]) -> list[str]:
    """A comment that names what is served and not requested: soak would measure the refusal alone."""
    if not paths:
        return []
    lines = [f"#   {_one_line(path)}  {_one_line(why)}" for path, why in list(paths.items())[:_MOST_LEFT_OUT]]
    more = len(paths) - _MOST_LEFT_OUT
    lines += [f"#   and {more} more"] if more > 0 else []
    head = "# Served, but left out. With what it needs, each can be a scenario like those above:"
    return ["\n".join([head, *lines, ""])]


def scenario_name(path: str) -> str:
    """A short name for a path: /api/orders/ -> api-orders."""
    return re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-") or "root"


def _text(value: str) -> str:
    """A TOML basic string; JSON's is one, but for DEL. What belongs to a shell (${PORT}) is not for soak to fill in."""
    return json.dumps(value.replace("${", "$${"), ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, values)) + "]"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _one_line(text: str) -> str:
    return " ".join(text.split())
