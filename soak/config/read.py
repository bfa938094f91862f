"""From the file to a Config: read, fill in, refuse with every problem at once, scale the defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soak.config import rules
from soak.config.environment import fill_in, masked
from soak.config.kinds import read_value
from soak.config.limits import Limits
from soak.config.model import (
    Accept,
    AgentConfig,
    Alerts,
    Check,
    Fault,
    Probe,
    SampleConfig,
    Schedule,
    StorageConfig,
    Target,
    Web,
)
from soak.config.place import Place
from soak.config.scaled import scaled_limits, scaled_load, scaled_sample
from soak.config.scenario import LoadConfig, Scenario
from soak.config.table import Section, keys_of, to_json
from soak.errors import ConfigError, Problem, UsageError

DEFAULT_FILE = "soak.toml"

TABLES: dict[str, type] = {
    "target": Target,
    "agent": AgentConfig,
    "sample": SampleConfig,
    "load": LoadConfig,
    "limits": Limits,
    "schedule": Schedule,
    "storage": StorageConfig,
    "alerts": Alerts,
    "web": Web,
}
LISTS: dict[str, type] = {"scenario": Scenario, "check": Check, "fault": Fault, "probe": Probe, "accept": Accept}
_RULES: dict[str, Callable[[Any, Mapping[str, Any], Place, LoadConfig], None]] = {
    "scenario": rules.check_scenario,
    "check": rules.check_check,
    "fault": rules.check_fault,
    "probe": rules.check_probe,
    "accept": rules.check_accept,
}
_DECISIVE = ("kind", "at")  # while these are wrong, rules about the rest would only guess
_NAMED = ("scenario", "check", "probe")
_SQLITE = "sqlite:///"
KNOWN_KEYS = tuple(f"{table}.{key.name}" for table, cls in {**TABLES, **LISTS}.items() for key in keys_of(cls))


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says instead of the file: seconds or a duration, a number, a store."""

    cycle: float | str | None = None
    cycles: int | None = None
    store: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A whole soak.toml, valid and with every default filled in."""

    path: Path
    base: Path
    target: Target
    agent: AgentConfig
    sample: SampleConfig
    load: LoadConfig
    scenarios: tuple[Scenario, ...]
    checks: tuple[Check, ...]
    faults: tuple[Fault, ...]
    probes: tuple[Probe, ...]
    limits: Limits
    accepts: tuple[Accept, ...]
    schedule: Schedule
    storage: StorageConfig
    alerts: Alerts
    web: Web
    notes: tuple[str, ...]
    secrets: Mapping[str, str] = field(repr=False)  # value -> name of the variable it came from

    def to_json(self) -> dict[str, Any]:
        """Everything in types that JSON has; what came from secret variables stands as `${NAME}`."""
        made: dict[str, Any] = masked(to_json(self), self.secrets)
        return made


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    overrides: Overrides = Overrides(),
    url_is_enough: bool = False,
) -> Config:
    """The configuration in `path` (default: soak.toml here); ConfigError names every problem at once.

    `url_is_enough`: for commands that only send load, no way to the target's process has to be written.
    """
    path = Path(DEFAULT_FILE) if path is None else path
    place = Place(str(path), "", [], KNOWN_KEYS)
    secrets: dict[str, str] = {}
    tree = fill_in(read_toml(path), environ, place, secrets)
    _apply(overrides, tree, place)
    config = _build(path, tree, place, environ, secrets, url_is_enough)
    if place.problems:
        raise ConfigError(_once(place.problems))
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """The file as tomllib sees it; an error of syntax is a ConfigError with its line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError("no_config", path=path) from None
    except OSError as error:
        raise UsageError("config_unreadable", path=path, why=error.strerror) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(path), "syntax", str(error), "TOML 1.0")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Problem(str(path), "syntax", f"a byte that is not UTF-8 at {error.start}", "UTF-8")]
        ) from None


def store_url(path: Path | None, environ: Mapping[str, str] = os.environ) -> str:
    """The store of a configuration, read without asking the rest of it to be valid; for commands that only look."""
    file = Path(DEFAULT_FILE) if path is None else path
    if path is None and not file.exists():
        return _resolved_url(StorageConfig().url, Path.cwd(), environ)
    place = Place(str(file), "storage", [], KNOWN_KEYS)
    raw = fill_in(read_toml(file).get("storage", {}), environ, place, {})
    storage = read_value(Section(StorageConfig), raw, place)
    if place.problems:
        raise ConfigError(place.problems)
    return _resolved_url(storage.url, file.resolve().parent, environ)


def _apply(overrides: Overrides, tree: dict[str, Any], place: Place) -> None:
    """Put what the command line says where the file would have said it."""
    load = tree.setdefault("load", {})
    if not isinstance(load, dict):
        return
    if overrides.cycles is not None:
        load["cycles"] = overrides.cycles
    if overrides.cycle is not None:
        load["cycle"] = overrides.cycle if isinstance(overrides.cycle, str) else f"{overrides.cycle:f}s"
    if overrides.store is not None and isinstance(tree.setdefault("storage", {}), dict):
        tree["storage"]["url"] = store_option(overrides.store, Path.cwd())


def _build(
    path: Path,
    tree: dict[str, Any],
    place: Place,
    environ: Mapping[str, str],
    secrets: Mapping[str, str],
    url_is_enough: bool,
) -> Config:
    base = path.resolve().parent
    for name in tree:
        if name not in TABLES and name not in LISTS:
            place.unknown_key(name, (*TABLES, *LISTS))
    one = {name: _table(name, cls, tree, place) for name, cls in TABLES.items()}
    target: Target = replace(
        one["target"],
        cwd=base / one["target"].cwd,
        pid_file=base / one["target"].pid_file if one["target"].pid_file else None,
    )
    load = scaled_load(one["load"], _written(tree, "load"))
    sample = scaled_sample(one["sample"], _written(tree, "sample"), load)
    limits, notes = scaled_limits(one["limits"], _written(tree, "limits"), load)
    many = {name: _list(name, cls, tree, place, load) for name, cls in LISTS.items()}
    rules.check_target(target, _raw(tree, "target"), place.key("target"), load, url_is_enough=url_is_enough)
    if not any(problem.key in ("load.cycle", "load.quiet") for problem in place.problems):
        rules.check_load(load, _raw(tree, "load"), place.key("load"))
        rules.check_sample(sample, _raw(tree, "sample"), place.key("sample"), load)
        rules.check_grace(limits.cleanup.grace, _raw(tree, "limits"), place.key("limits"), load)
    rules.check_schedule(one["schedule"], _raw(tree, "schedule"), place.key("schedule"))
    scenarios, said = _scenarios(many["scenario"], load)
    storage = replace(one["storage"], url=_resolved_url(one["storage"].url, base, environ))
    return Config(
        path=path,
        base=base,
        target=target,
        agent=one["agent"],
        sample=sample,
        load=load,
        scenarios=scenarios,
        checks=many["check"],
        faults=many["fault"],
        probes=many["probe"],
        limits=limits,
        accepts=many["accept"],
        schedule=one["schedule"],
        storage=storage,
        alerts=one["alerts"],
        web=one["web"],
        notes=(*notes, *said),
        secrets=secrets,
    )


def _table(name: str, cls: type, tree: Mapping[str, Any], place: Place) -> Any:
    """The table, or one of defaults when it is not there or not a table."""
    made = read_value(Section(cls), tree.get(name, {}), place.key(name))
    return cls() if made is None else made


def _list(name: str, cls: type, tree: Mapping[str, Any], place: Place, load: LoadConfig) -> tuple[Any, ...]:
    """The `[[name]]` tables that could be read, each checked by the rules of its kind."""
    raw = tree.get(name, [])
    if not isinstance(raw, list):
        place.key(name).problem(raw, f"[[{name}]] with two brackets: there may be several")
        return ()
    made = []
    for number, item in enumerate(raw):
        here = place.key(name).index(number)
        before = len(place.problems)
        read = read_value(Section(cls), item, here)
        if read is not None:
            made.append(read)
            broken = {problem.key for problem in place.problems[before:]}
            if not broken.intersection(here.key(key).path for key in _DECISIVE):
                _RULES[name](read, item, here, load)
    if name in _NAMED:
        rules.check_names(made, lambda number: place.key(name).index(number))
    return tuple(made)


def _scenarios(scenarios: tuple[Scenario, ...], load: LoadConfig) -> tuple[tuple[Scenario, ...], tuple[str, ...]]:
    """Scenarios with their default weight; GET / where none was written, and a note that says so."""
    if load.profile == "none":
        return scenarios, ('load.profile is "none": scenarios are not run',) if scenarios else ()
    if not scenarios:
        return (Scenario(name="root", path="/", weight=1.0),), ("no [[scenario]] is written: GET / is requested",)
    return tuple(
        replace(item, weight=1.0)
        if item.weight is None and item.rate is None and item.users is None and item.count is None
        else item
        for item in scenarios
    ), ()


def _resolved_url(url: str, base: Path, environ: Mapping[str, str]) -> str:
    """A SQLite URL with an absolute path: relative ones start at $STATE_DIRECTORY, else at `base`."""
    if not url.startswith(_SQLITE):
        return url
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return f"{_SQLITE}{Path(state or base) / url.removeprefix(_SQLITE)}"


def store_option(text: str, folder: Path) -> str:
    """The store named on the command line: a URL or the path of a SQLite file, relative to `folder`."""
    if "://" in text and not text.startswith(_SQLITE):
        return text
    return f"{_SQLITE}{folder / text.removeprefix(_SQLITE)}"


def _raw(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    raw = tree.get(name, {})
    return raw if isinstance(raw, dict) else {}


def _written(tree: Mapping[str, Any], name: str) -> frozenset[str]:
    return frozenset(_raw(tree, name))


def _once(problems: list[Problem]) -> list[Problem]:
    """One problem for each key path: what follows from the first would only distract."""
    return list({problem.key: problem for problem in reversed(problems)}.values())[::-1]
