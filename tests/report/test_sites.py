"""Attribution: whose code a frame is, what is one site, what comes first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soak.report.code import CodeLines
from soak.report.compute import compute
from soak.report.facts import facts_of, finding_lines
from soak.report.fingerprint import fingerprint, place
from soak.report.owner import Owners, called, is_agent
from soak.report.sites import note_states
from soak_storage import Store
from soak_storage.records import EventRow, ReadingRow, Record, SampleRow, SiteRow, Stack

from .runs import CWD, MB, Plan, make_run

PACKAGES = "/srv/venv/lib/python3.11/site-packages"
STDLIB = "/usr/lib/python3.11"


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        (f"{CWD}/app.py", "application"),
        ("/opt/elsewhere/worker.py", "application"),
        (f"{PACKAGES}/aiohttp/web_app.py", "dependency aiohttp"),
        (f"{PACKAGES}/six.py", "dependency six"),
        (f"{PACKAGES}/_pydantic_core.cpython-311-x86_64-linux-gnu.so", "dependency _pydantic_core"),
        (f"{STDLIB}/json/decoder.py", "standard library"),
        ("/root/.pyenv/versions/3.11.7/lib/python3.11/threading.py", "standard library"),
        ("<frozen importlib._bootstrap>", "standard library"),
        ("/usr/lib/x86_64-linux-gnu/libssl.so.3", "native libssl"),
        ("[native ujson]", "native ujson"),
        ("<string>", "standard library"),
    ],
)
def test_owner_of_a_frame(file: str, owner: str) -> None:
    """Application, dependency, standard library or native, by where the file lies."""
    assert Owners(CWD).of(file) == owner


def test_application_below_a_folder_that_looks_like_the_standard_library() -> None:
    """A target that lives in .../lib/python3.11/ is still the application."""
    assert Owners(f"{STDLIB}/mine").of(f"{STDLIB}/mine/app.py") == "application"


def test_version_of_a_dependency_comes_from_its_metadata(tmp_path: Path) -> None:
    """By the name of the distribution, and by the modules that it lists where they are called otherwise."""
    packages = tmp_path / "site-packages"
    for folder in ("GitPython-3.1.25.dist-info", "sse_starlette-2.0.dist-info", "PyYAML-6.0.dist-info"):
        (packages / folder).mkdir(parents=True)
    (packages / "GitPython-3.1.25.dist-info/top_level.txt").write_text("git\n")
    (packages / "PyYAML-6.0.dist-info/RECORD").write_text(
        "yaml/__init__.py,sha256=x,1\nPyYAML-6.0.dist-info/METADATA,,\n"
    )
    owners = Owners()
    assert owners.of(f"{packages}/git/index/base.py") == "dependency GitPython 3.1.25"
    assert owners.of(f"{packages}/sse_starlette/sse.py") == "dependency sse_starlette 2.0"
    assert owners.of(f"{packages}/yaml/reader.py") == "dependency PyYAML 6.0"


def test_distributions_that_share_a_module_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """`opentelemetry` belongs to many: a file of its SDK is the SDK's, one that nobody lists the first one's."""
    packages = tmp_path / "site-packages"
    brought = {"opentelemetry_api": "opentelemetry/trace/span.py", "opentelemetry_sdk": "opentelemetry/sdk/trace.py"}
    for name, path in brought.items():
        folder = packages / f"{name}-1.31.1.dist-info"
        folder.mkdir(parents=True)
        (folder / "RECORD").write_text(f"{path},sha256=x,1\n")
    owners = Owners()
    assert owners.of(f"{packages}/opentelemetry/sdk/trace.py") == "dependency opentelemetry_sdk 1.31.1"
    assert owners.of(f"{packages}/opentelemetry/trace/span.py") == "dependency opentelemetry_api 1.31.1"
    assert owners.of(f"{packages}/opentelemetry/other.py") == "dependency opentelemetry_api 1.31.1"


def test_likely_frame_is_found_past_the_standard_library() -> None:
    """json's decoder is nobody's leak: the frame that called it is the one to change."""
    stack = [
        (f"{CWD}/app.py", 9, "load"),
        (f"{STDLIB}/json/__init__.py", 346, "loads"),
        (f"{STDLIB}/json/decoder.py", 353, "raw_decode"),
    ]
    owners = Owners(CWD)
    assert owners.likely(stack) == (stack[0], "application")
    assert owners.likely(stack[1:]) is None
    assert is_agent(("/x/soak_agent/reader.py", 1, "read")) and not is_agent(("/x/my_soak_agents.py", 1, "read"))


LOOP: list[tuple[str, int, str]] = [
    (f"{CWD}/app.py", 40, "<module>"),
    (f"{PACKAGES}/uvicorn/server.py", 65, "Server.run"),
    (f"{STDLIB}/asyncio/base_events.py", 607, "BaseEventLoop.run_forever"),
    (f"{STDLIB}/asyncio/events.py", 80, "Handle._run"),
]
TASK = (f"{STDLIB}/asyncio/base_events.py", 436, "create_task")
DIAL = (f"{PACKAGES}/anyio/connecting.py", 9, "connect")
POOL = (f"{PACKAGES}/httpcore/pool.py", 130, "open_stream")
SOCKET = (f"{STDLIB}/socket.py", 232, "__init__")


def test_who_runs_an_event_loop_is_not_who_made_what_its_callbacks_make() -> None:
    """Neither the server nor the module that started it; what the callback itself called is."""
    owners = Owners(CWD)
    assert owners.likely([*LOOP, (f"{STDLIB}/asyncio/streams.py", 132, "__init__")]) is None
    assert owners.application([*LOOP, DIAL, SOCKET]) is None
    assert owners.likely([*LOOP, DIAL, SOCKET]) == (DIAL, "dependency anyio")
    assert owners.application([*LOOP, (f"{CWD}/app.py", 9, "work"), DIAL]) == (f"{CWD}/app.py", 9, "work")


def test_who_made_the_task_is_a_caller_and_the_loop_that_runs_it_is_not() -> None:
    """The stack of a handle goes on, past the loop, with where its task was made."""
    stack = [*LOOP, (f"{CWD}/app.py", 9, "work"), POOL, TASK, *LOOP, DIAL, SOCKET]
    assert called(stack) == [(f"{CWD}/app.py", 9, "work"), POOL, TASK, DIAL, SOCKET]


def test_the_callers_of_a_site_lead_out_of_its_package() -> None:
    """Three callers, without the loop and the standard library, and the next one that somebody else wrote."""
    inner = [(f"{PACKAGES}/anyio/tasks.py", line, "start") for line in (1, 2, 3, 4)]
    stack = [POOL, TASK, *LOOP, *inner, DIAL, SOCKET]
    frames = [
        {"file": f, "line": line, "function": name, "short": place(f, CWD), "code": None} for f, line, name in stack
    ]
    site = {
        **frames[-1], "likely": frames[-2], "traceback": frames, "application": None, "share": 1.0,
        "owner": "dependency anyio", "types": [], "held_by": [], "partial": False, "growth_per_hour": 60.0,
    }  # fmt: skip
    lines = finding_lines({"kind": "growth", "series": "fds", "unit": "count", "sites": [site], "unexplained_share": 0})
    assert [line.strip() for line in lines if "from" in line] == [
        "called from anyio/tasks.py:4 start",
        "called from anyio/tasks.py:3 start",
        "called from anyio/tasks.py:2 start",
        "… from httpcore/pool.py:130 open_stream",
    ]


def run_with(store: Store, sites: dict[Stack, float]) -> dict[str, Any]:
    """The growth finding of a run whose sites grow by so many bytes a cycle."""
    return next(finding for finding in report_with(store, sites)["findings"] if finding["kind"] == "growth")


def report_with(store: Store, sites: dict[Stack, float], *extra: Record) -> dict[str, Any]:
    """The report of such a run."""
    plan = Plan(mode="off")
    rows: list[ReadingRow | SampleRow] = []
    for cycle in range(plan.cycles):
        t = cycle * 60.0 + 57
        found = tuple(SiteRow(stack, 1000.0 + growth * cycle, 10.0 + cycle) for stack, growth in sites.items())
        total = sum(site.bytes for site in found)
        rows.append(ReadingRow(t, cycle, "9:main", agent_mode="sampler", traced_bytes=total, sites=found))
        rows.append(SampleRow(t, "python_heap", "bytes", total, gates=True))
    plan.extra = [*rows, *extra]
    return compute(store, make_run(store, plan))


def test_lines_of_the_standard_library_are_summed_under_their_caller(store: Store) -> None:
    """Three lines of the decoder below one line of the application are one site, and it comes before a bigger line."""
    caller = (f"{CWD}/app.py", 9, "load")
    sites: dict[Stack, float] = {
        (caller, (f"{STDLIB}/json/decoder.py", line, "decode")): 1.0 * MB for line in (337, 353, 355)
    }
    sites[((f"{CWD}/app.py", 70, "other"),)] = 2.0 * MB
    finding = run_with(store, sites)
    first, second = finding["sites"][:2]
    assert first["likely"]["line"] == 9 and first["stacks"] == 3
    assert first["share"] == pytest.approx(0.6, abs=0.02)
    assert (second["line"], second["share"]) == (70, pytest.approx(0.4, abs=0.02))
    assert first["file"].endswith("json/decoder.py")


def test_what_fills_the_container_is_the_next_step_where_places_are_many(store: Store) -> None:
    """A quarter each is what hangs on the items of one dictionary; a single place needs no such hint."""
    keeper = [f"{PACKAGES}/fsm/core.py", 66, "Machine.register"]
    row = {"type": "dict", "growth": 600, "path": ["module app", "dict tasks"], "filled_by": [keeper]}
    event = EventRow("holders", 478.0, 478.0, {"process": "9:main", "holders": [row]})
    many: dict[Stack, float] = {((f"{CWD}/app.py", line, f"make{line}"),): MB for line in (1, 2, 3, 4)}
    first = report_with(store, many, event)["next_steps"][0]
    assert first.startswith("Look first at fsm/core.py:66 Machine.register")
    one: dict[Stack, float] = {((f"{CWD}/app.py", 1, "make"),): 3.0 * MB}
    assert "fsm" not in report_with(store, one, event)["next_steps"][0]


def test_what_an_event_loop_does_by_itself_is_one_site(store: Store) -> None:
    """Three lines below the taking of a connection, by nobody else's call: one site, named by the heaviest of them."""
    taking = (f"{STDLIB}/asyncio/selector_events.py", 208, "_accept_connection2")
    sites: dict[Stack, float] = {
        (*LOOP, taking, (f"{STDLIB}/asyncio/streams.py", line, f"make{line}")): line * MB for line in (1, 2, 3)
    }
    first = run_with(store, sites)["sites"][0]
    assert (first["line"], first["stacks"], first["likely"]) == (3, 3, None)
    assert (first["owner"], first["share"]) == ("standard library", pytest.approx(1.0, abs=0.02))


def test_one_frame_that_names_nobody_comes_after_one_that_does(store: Store) -> None:
    """Without callers a constructor and the standard library tell little: a somewhat smaller function comes first."""
    sites: dict[Stack, float] = {
        ((f"{STDLIB}/functools.py", 58, "update_wrapper"),): 1.5 * MB,
        ((f"{PACKAGES}/aiohttp/web_response.py", 99, "StreamResponse.__init__"),): 1.4 * MB,
        ((f"{PACKAGES}/aiohttp/web_app.py", 559, "Application._handle"),): 1.0 * MB,
    }
    functions = [site["function"] for site in run_with(store, sites)["sites"]]
    assert functions == ["Application._handle", "update_wrapper", "StreamResponse.__init__"]


def test_trunk_is_the_way_that_most_growth_takes(store: Store) -> None:
    """Growth spread over ten lines of a dependency still comes through one line of the application."""
    head = ((f"{CWD}/app.py", 22, "work"), (f"{PACKAGES}/openai/_client.py", 180, "copy"))
    sites: dict[Stack, float] = {
        (*head, (f"{PACKAGES}/openai/_response.py", line, "wrap")): 0.3 * MB for line in range(10)
    }
    finding = run_with(store, sites)
    assert [frame["function"] for frame in finding["trunk"]] == ["work", "copy", "wrap"]
    assert finding["trunk"][0]["share"] == pytest.approx(1.0)
    assert finding["sites"][0]["application"]["function"] == "work"
    other = {((f"{CWD}/app.py", line, f"other{line}"), (f"{CWD}/b.py", 1, f"f{line}")): 1.0 * MB for line in range(3)}
    other |= {(*head, (f"{PACKAGES}/x/y.py", line, f"g{line}")): 1.0 * MB for line in range(20)}
    assert any(
        "comes through app.py:22 work -> openai/_client.py:180 copy." in fact
        for fact in facts_of(run_with(store, other))
    )
    assert finding["sites"][0]["owner"] == "dependency openai"


def test_what_no_site_explains_is_unexplained(store: Store) -> None:
    """Half of the traced growth has no stack: half is unexplained, and not spread over the rest."""
    plan = Plan(mode="off")
    rows: list[ReadingRow | SampleRow] = []
    for cycle in range(plan.cycles):
        t = cycle * 60.0 + 57
        site = SiteRow(((f"{CWD}/app.py", 5, "half"),), 1.5 * MB * cycle, 10.0 + cycle)
        rows.append(ReadingRow(t, cycle, "9:main", agent_mode="sampler", traced_bytes=3.0 * MB * cycle, sites=(site,)))
        rows.append(SampleRow(t, "python_heap", "bytes", 3.0 * MB * cycle, gates=True))
    plan.extra = rows
    finding = next(one for one in compute(store, make_run(store, plan))["findings"] if one["kind"] == "growth")
    assert finding["unexplained_share"] == pytest.approx(0.5, abs=0.02)
    assert finding["sites"][0]["share"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("blocks", "bounded"), [(lambda cycle: 1.0, False), (lambda cycle: 100.0 * cycle, True)])
def test_one_block_that_grows_sheds_nothing(store: Store, blocks: Callable[[int], float], bounded: bool) -> None:
    """`log += line` is allocated anew as it grows: nothing of old cycles is left. In a cache whole blocks go."""
    plan = Plan(mode="off")
    rows: list[ReadingRow | SampleRow] = []
    for cycle in range(plan.cycles):
        t = cycle * 60.0 + 57
        size = 3.0 * (1.0 + cycle) * MB
        site = SiteRow(((f"{CWD}/app.py", 5, "log"),), size, blocks(cycle), births={cycle: int(size)})
        rows.append(ReadingRow(t, cycle, "9:main", agent_mode="sampler", traced_bytes=size, sites=(site,)))
        rows.append(SampleRow(t, "python_heap", "bytes", size, gates=True))
    plan.extra = rows
    finding = next(one for one in compute(store, make_run(store, plan))["findings"] if one["kind"] == "growth")
    assert finding["sites"][0]["bounded"] is bounded


def test_workers_are_summed(store: Store) -> None:
    """Two workers that keep 1 MB a cycle each at one line: one site with 2 MB a cycle."""
    plan = Plan(mode="off")
    rows: list[ReadingRow | SampleRow] = []
    stack: Stack = ((f"{CWD}/app.py", 5, "keep"),)
    for cycle in range(plan.cycles):
        t = cycle * 60.0 + 57
        for pid in (8, 9):
            site = SiteRow(stack, 1.0 * MB * cycle, 10.0 + cycle)
            rows.append(ReadingRow(t, cycle, f"{pid}:worker", agent_mode="sampler", sites=(site,)))
        rows.append(SampleRow(t, "python_heap", "bytes", 2.0 * MB * cycle, gates=True))
    plan.extra = rows
    finding = next(one for one in compute(store, make_run(store, plan))["findings"] if one["kind"] == "growth")
    assert len(finding["sites"]) == 1
    assert finding["sites"][0]["growth_per_hour"] == pytest.approx(120 * MB, rel=0.01)


def test_fingerprint_ignores_lines_and_places_of_installation() -> None:
    """Another virtual environment, another checkout, another line: the same; another function: not."""
    one = fingerprint("growth", "rss", [(f"{PACKAGES}/a/b.py", 3, "f"), ("/home/x/app/m.py", 9, "g")], "/home/x/app")
    other = fingerprint(
        "growth", "python_heap", [("/v2/site-packages/a/b.py", 4, "f"), ("/ci/app/m.py", 1, "g")], "/ci/app"
    )
    assert one == other
    assert one != fingerprint("growth", "rss", [(f"{PACKAGES}/a/b.py", 3, "F")], None)
    assert one != fingerprint(
        "growth", "fds", [(f"{PACKAGES}/a/b.py", 3, "f"), ("/home/x/app/m.py", 9, "g")], "/home/x/app"
    )
    assert place("/usr/lib/python3.11/json/decoder.py", None) == "json/decoder.py"


def test_code_is_read_from_plain_small_files_only(tmp_path: Path) -> None:
    """Lines are stripped and cut; a directory, a pipe, a missing file and something that is no source have none."""
    (tmp_path / "a.py").write_text("first\n    second = 1\n" + "x" * 500 + "\n")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "folder.py").mkdir()
    import os

    os.mkfifo(tmp_path / "pipe.py")
    lines = CodeLines(str(tmp_path))
    assert lines.line("a.py", 2) == "second = 1"
    assert len(lines.line("a.py", 3) or "") == 160
    for name in ("secret.txt", "folder.py", "pipe.py", "none.py", "<string>"):
        assert lines.line(name, 1) is None
    assert lines.line("a.py", 99) is None


def test_states_of_handles_are_added_up() -> None:
    """What the agent says in JSON is summed over processes; anything else is an example."""
    details: dict[str, int] = {}
    note_states(details, '{"states": {"CLOSE_WAIT": 4}, "example": "10.0.0.1:80"}')
    note_states(details, '{"states": {"CLOSE_WAIT": 3}}')
    note_states(details, "not json")
    assert details == {"CLOSE_WAIT": 7, "such as 10.0.0.1:80": 0, "such as not json": 0}
