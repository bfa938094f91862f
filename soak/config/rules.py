"""Rules between keys: what each key allows by itself is checked before, here is what they allow together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soak.config.model import ATTACH, Accept, Check, Fault, Probe, SampleConfig, Schedule, Target
from soak.config.place import Place
from soak.config.scenario import NAMED_PROFILES, STREAMS, LoadConfig, Scenario
from soak.config.units import format_duration

Table = Mapping[str, Any]
_SHARES = ("weight", "rate", "users", "count")
_TABLES_OF_CHECKS = {
    "dns": ("host",),
    "tcp": ("host", "port"),
    "http": ("url",),
    "redis": ("url",),
    "sql": ("url", "query"),
}
_CALLS = ("http", *STREAMS, "grpc")  # kinds that soak speaks by itself, request by request
_BELONGS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (  # keys, and the kinds that know them
    (("path", "expect", "headers", "faults"), _CALLS),
    (("method",), ("http", *STREAMS)),
    (("json",), ("http", "sse", "grpc")),
    (("data",), ("http", "sse")),
    (("duration", "messages", "sequence", "validate"), (*STREAMS, "grpc")),
    (("streams", "expect_refused", "hold"), STREAMS),
    (("subprotocols", "send", "until"), ("websocket",)),
    (("function", "client"), ("python",)),
    (("proto",), ("grpc",)),
    (("file",), ("locust",)),
    (("command",), ("locust", "command")),
)
_OPEN_MODEL = ("low", "high")


def check_target(target: Target, raw: Table, place: Place, load: LoadConfig, *, url_is_enough: bool) -> None:
    """One way to the target (or none where a url is enough), a url where there is load, a folder that exists."""
    ways = [name for name in ATTACH if name in raw]
    if len(ways) > 1 or not (ways or url_is_enough):
        found = "nothing" if not ways else " and ".join(ways)
        place.say(found, "exactly one of " + ", ".join(ATTACH))
    if "url" not in raw and load.profile != "none":
        place.missing("url", 'a URL such as "http://127.0.0.1:8000", needed unless load.profile = "none"')
    if "cwd" in raw and not target.cwd.is_dir():
        place.key("cwd").problem(raw["cwd"], "a folder that exists")


def check_load(load: LoadConfig, raw: Table, place: Place) -> None:
    """Phases that fit the cycle; one model, open or closed."""
    cycle = format_duration(load.cycle)
    if load.quiet >= load.cycle:
        place.key("quiet").problem(raw.get("quiet"), f"less than the cycle ({cycle})")
    if load.timeout > load.cycle:
        place.key("timeout").problem(raw.get("timeout"), f"at most the cycle ({cycle})")
    if "levels" in raw and load.profile != "steps":
        place.key("levels").problem(raw["levels"], 'only with profile = "steps"')
    if "users" in raw or load.profile in NAMED_PROFILES:
        for name in _OPEN_MODEL:
            if name in raw:
                place.key(name).problem(raw[name], "either users (closed model) or low and high (open model)")
    elif load.low > load.high:
        name = "low" if "low" in raw else "high"
        place.key(name).problem(raw.get(name), f"low of at most high (low is {load.low:g}, high is {load.high:g})")


def check_sample(sample: SampleConfig, raw: Table, place: Place, load: LoadConfig) -> None:
    """Enough samples in each phase: ten in a cycle and two in the quiet phase."""
    most = min(load.cycle / 10, load.quiet / 2)
    if "interval" in raw and sample.interval > most:
        place.key("interval").problem(
            raw["interval"],
            f"at most {format_duration(most)}: ten samples in a cycle of {format_duration(load.cycle)} "
            f"and two in a quiet phase of {format_duration(load.quiet)}",
        )


def check_grace(grace: float, raw: Table, place: Place, load: LoadConfig) -> None:
    """The grace time ends within the quiet phase."""
    written = raw.get("cleanup")
    if isinstance(written, Mapping) and "grace" in written and grace > load.quiet:
        allowed = f"at most the quiet phase ({format_duration(load.quiet)})"
        place.key("cleanup").key("grace").problem(written["grace"], allowed)


def check_scenario(scenario: Scenario, raw: Table, place: Place, load: LoadConfig) -> None:
    """Keys that belong to the kind, one share of the load, shares of faults up to 1, streams that fit."""
    _check_kind(scenario, raw, place)
    shares = [name for name in _SHARES if name in raw]
    if len(shares) > 1:
        place.say(" and ".join(shares), "one of weight, rate, users, count")
    if "json" in raw and "data" in raw:
        place.say("json and data", "one of json, data")
    total = sum(scenario.faults.values())
    if total > 1 + 1e-9:
        place.key("faults").say(f"shares of {total:g} together", "shares of at most 1 together")
    busy = load.cycle - load.quiet
    for name in ("duration", "hold"):
        seconds = getattr(scenario, name)
        if seconds is not None and seconds > busy > 0:
            place.key(name).problem(raw[name], f"at most the loaded part of the cycle ({format_duration(busy)})")
    if scenario.expect_refused and scenario.expect_refused > (scenario.streams or 0):
        place.key("expect_refused").problem(raw["expect_refused"], "at most `streams`")
    if scenario.validate and not scenario.sequence:
        place.missing("sequence", 'a JSON path such as "$.seq", needed by validate')


def _check_kind(scenario: Scenario, raw: Table, place: Place) -> None:
    kind = scenario.kind
    if kind in _CALLS and "path" not in raw:
        place.missing("path", 'a path such as "/orders"')
    if kind == "python" and "function" not in raw:
        place.missing("function", 'a file and a function such as "scenarios.py:buy"')
    if kind == "locust" and "file" not in raw:
        place.missing("file", "the locustfile")
    if kind == "command" and "command" not in raw:
        place.missing("command", "a list of strings: the program and its arguments")
    for names, kinds in _BELONGS:
        for name in names:
            if name in raw and kind not in kinds:
                place.key(name).problem(raw[name], f'only with kind = "{" or ".join(kinds)}", and this is "{kind}"')
    if kind == "grpc" and set(scenario.faults) - {"abandon"}:
        place.key("faults").problem(raw["faults"], 'only abandon with kind = "grpc"')


def check_names(entries: Sequence[Scenario | Check | Probe], place: Callable[[int], Place]) -> None:
    """No two of them with one name."""
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        if entry.name and entry.name in seen:
            place(number).key("name").problem(entry.name, "a name that is used once")
        seen.add(entry.name)


def check_check(check: Check, raw: Table, place: Place, load: LoadConfig) -> None:
    """The keys that its kind needs."""
    for name in _TABLES_OF_CHECKS[check.kind]:
        if name not in raw:
            place.missing(name, f'needed with kind = "{check.kind}"')
    if check.on_unhealthy == "command" and not check.command:
        place.missing("command", 'needed with on_unhealthy = "command"')
    if "timeout" in raw and check.timeout > check.interval:
        place.key("timeout").problem(raw["timeout"], "at most the interval")


def check_fault(fault: Fault, raw: Table, place: Place, load: LoadConfig) -> None:
    """What its kind needs, and an end within the cycle."""
    if fault.kind == "stop" and fault.lasting is None:
        place.missing("for", 'a duration, needed with kind = "stop"')
    if fault.kind == "command" and not fault.command:
        place.missing("command", 'needed with kind = "command"')
    if fault.lasting is not None and fault.at * load.cycle + fault.lasting > load.cycle:
        place.key("for").problem(raw["for"], f"an end within the cycle ({format_duration(load.cycle)})")


def check_probe(probe: Probe, raw: Table, place: Place, load: LoadConfig) -> None:
    """A field of a JSON answer, or a Redis key."""
    redis = (probe.url or "").startswith("redis")
    needed, unfit = ("key", "field") if redis else ("field", "key")
    if needed not in raw:
        place.missing(needed, f"needed with this url ({'Redis' if redis else 'HTTP'})")
    if unfit in raw:
        place.key(unfit).problem(raw[unfit], f"only with the other kind of url; this one needs {needed}")


def check_accept(accept: Accept, raw: Table, place: Place, load: LoadConfig) -> None:
    """One way to name the finding."""
    if ("fingerprint" in raw) == ("file" in raw):
        place.say("both" if "file" in raw else "neither", "exactly one of fingerprint, file")


def check_schedule(schedule: Schedule, raw: Table, place: Place) -> None:
    """One of cron and every."""
    if raw and ("cron" in raw) == ("every" in raw):
        place.say("both" if "cron" in raw else "neither", "exactly one of cron, every")
    if "timezone" in raw and "every" in raw:
        place.key("timezone").problem(raw["timezone"], "only with cron")
