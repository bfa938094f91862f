"""docs/reference-reports.md: verdicts, series, warnings, evidence and findings, from the code that makes them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from soak import sampler, troughs
from soak.analysis import evidence as weights
from soak.report import accept, words
from soak.report import evidence as gathered
from soak.report.verdict import EXIT_CODES
from soak_probes.probes import PROBES
from tools.docs import events
from tools.docs.markdown import table

_INTRODUCTION = """\
# Reference: reports

Generated from the code by `python tools/docs`; a test keeps it current.
"""
_SAID = {  # where the first sentence of the function is about more than the code
    "too_few_cycles": "Fewer than three cycles ran to their end: nothing can be compared",
    "accept_expired": "An entry of [[accept]] has run out: what it covered fails the run again",
}
VERDICTS = {
    "leak": "a series that gates grows above its limit",
    "failed": "another limit was broken: peak, cleanup, errors, latency, cpu, streams, memory limit",
    "error": "the soak could not be carried out",
    "inconclusive": "not enough cycles, or not enough evidence; the report says what is missing",
    "clean": "every series that gates lies below its limit, and the run could have seen more",
}
FROM_INSIDE = {
    "python_heap": "bytes in Python's allocators, as the agent's sampler or tracemalloc counts them",
    "gc_objects": "objects that the garbage collector follows",
    "tasks": "asyncio tasks that are not done, in every loop",
    "tmp_files": "temporary files that the target made and that still exist; exact with an agent",
    "tmp_bytes": "their size",
    "malloc": "bytes in use in the C library's malloc, Python's larger objects among them (mallinfo2)",
    "malloc_free": "bytes that malloc holds free: given back by malloc_trim, or fragments",
    "pymalloc_free": "bytes in Python's own arenas that no object uses",
    "mapped_files": "resident pages of mapped files and shared memory",
    "rss_trimmed": "rss after malloc_trim (agent.trim)",
}
_SERIES = """\
## Series

`gates`: its total decides the verdict. `pss` gates in place of `rss` when the processes of the target share pages.
Every series is kept for the total and, when there are several processes, for each `<pid>:<role>`.
`outside`: from `/proc`, at every sample. `inside`: from the agent, once in each trough.
"""
_EVIDENCE = """\
## Evidence

What takes weight from a *clean* verdict. Beyond a second bound (`Thresholds` in `soak/analysis/thresholds.py`) it turns
*clean* into *inconclusive*. A *leak* stands.
"""


def render() -> str:
    """The whole document."""
    parts = [_INTRODUCTION, "## Verdicts", "", "When several hold, the first in this order wins.", ""]
    parts += table(
        ("verdict", "exit code", "meaning"), ((f"`{n}`", str(c), VERDICTS[n]) for n, c in EXIT_CODES.items())
    )
    parts += ["", _SERIES, *table(("series", "unit", "read", "gates", "meaning"), series()), ""]
    parts += ["## Warnings of a series", "", *table(("code", "meaning"), warnings()), ""]
    parts += [_EVIDENCE, *table(("code", "meaning"), evidence()), ""]
    parts += ["## Findings", "", *table(("kind", "title"), ((f"`{k}`", v) for k, v in words.TITLES.items())), ""]
    parts += [events.INTRODUCTION]
    parts += [*table(("kind", "meaning"), ((f"`{kind}`", text) for kind, text in events.MEANINGS.items())), ""]
    return "\n".join(parts)


def series() -> Iterator[tuple[str, str, str, str, str]]:
    """Name, unit, where it is read, whether it gates, meaning."""
    gating = sampler.GATING | troughs.GATING
    outside = set()
    for probe in PROBES:
        name = f"{probe.name}.*" if probe.parts_only else probe.name
        outside.add(name)
        where = "both" if name in FROM_INSIDE else "outside"
        meaning = inspect.cleandoc(probe.__doc__ or "").partition("\n\n")[0]
        yield f"`{name}`", probe.unit, where, "yes" if name in gating else "", meaning
    for _, name, unit in troughs.SERIES:
        if name not in outside:
            yield f"`{name}`", unit, "inside", "yes" if name in gating else "", FROM_INSIDE[name]


def warnings() -> Iterator[tuple[str, str]]:
    """Code and meaning."""
    for code, meaning in words.WARNINGS.items():
        yield f"`{code}`", meaning


def evidence() -> Iterator[tuple[str, str]]:
    """Code and what it is about: the first sentence of the function that finds it."""
    seen: set[str] = set()
    for module in (weights, gathered, accept):
        for function in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(function, ast.FunctionDef):
                for code in _codes(function):
                    if code not in seen:
                        seen.add(code)
                        yield f"`{code}`", _SAID.get(code) or _sentence(function)


def _sentence(function: ast.FunctionDef) -> str:
    return (ast.get_docstring(function) or "").partition("\n\n")[0].partition(". ")[0].rstrip(".")


def _codes(function: ast.FunctionDef) -> Iterator[str]:
    for call in ast.walk(function):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("Evidence", "_evidence"):
            first = call.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)
