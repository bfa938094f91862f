"""What is wrong in a soak.toml is named: all of it, at once, and without a secret."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.config import load_config
from soak.config.read import KNOWN_KEYS, LISTS, TABLES
from soak.config.scenario import KINDS
from soak.errors import ConfigError, Problem
from soak.load.support import SUPPORTED_KINDS

TARGET = '[target]\ncommand = ["python", "app.py"]\nurl = "http://127.0.0.1:8000"\n'


def problems(folder: Path, text: str, environ: dict[str, str] | None = None) -> dict[str, Problem]:
    """The problems of a configuration by key path; none when it is valid."""
    (folder / "soak.toml").write_text(text)
    try:
        load_config(folder / "soak.toml", environ=environ or {})
    except ConfigError as error:
        assert error.exit_code == 2
        return {problem.key: problem for problem in error.problems}
    return {}


# Ten malformed configurations, each with every key path that must be named.
MALFORMED: list[tuple[str, str, set[str]]] = [
    ("no target at all", "", {"target", "target.url"}),
    (
        "misspelt keys",
        TARGET + 'redy = "/"\n[lod]\n[limits]\ngroth = "1MB/h"\n',
        {"target.redy", "lod", "limits.groth"},
    ),
    (
        "wrong types",
        '[target]\ncommand = "python app.py"\nurl = 5\npid = "x"\nchildren = "yes"\nenv = { A = 1.5 }\n',
        {"target.command", "target.url", "target.pid", "target.children", "target.env.A", "target"},
    ),
    ("two ways to the target", TARGET + "pid = 1\n", {"target"}),
    (
        "wrong units",
        TARGET
        + '[load]\ncycle = "1hour"\ntimeout = 5\n[limits]\ngrowth = "1MB"\nfds = 3\npeak = "10"\nerrors = "120%"\n',
        {"load.cycle", "load.timeout", "limits.growth", "limits.fds", "limits.peak", "limits.errors"},
    ),
    (
        "explicit values that do not fit the cycle",
        TARGET + '[sample]\ninterval = "20s"\n[load]\ncycle = "60s"\nquiet = "70s"\ntimeout = "90s"\n',
        {"load.quiet", "load.timeout", "sample.interval"},
    ),
    (
        "scenarios that contradict themselves",
        TARGET
        + '[[scenario]]\nname = "a"\nkind = "http"\npath = "orders"\nweight = 1\nrate = 2\nfaults = { abandon = 0.7 }\n'
        + '[[scenario]]\nname = "a"\npath = "/"\nfaults = { abandon = 0.7, reset = 0.7 }\nhold = "1s"\n'
        + 'json = 1\ndata = "1"\n'
        + '[[scenario]]\nname = "b"\npath = "/"\nfaults = { abandn = 2 }\nmethd = "GET"\n',
        {
            "scenario[0].path",
            "scenario[0]",
            "scenario[1].name",
            "scenario[1].faults",
            "scenario[1].hold",
            "scenario[1]",
            "scenario[2].faults.abandn",
            "scenario[2].methd",
        },
    ),
    (
        "load both open and closed, low over high",
        TARGET + "[load]\nusers = 3\nlow = 9\nhigh = 2\n",
        {"load.low", "load.high"},
    ),
    ("no TOML", TARGET + "[load\ncycle = 1h\n", {"syntax"}),
    (
        "missing variables and what is required",
        TARGET + '[[scenario]]\npath = "/${NOWHERE}"\n[[accept]]\nreason = "x"\n[[check]]\nkind = "tcp"\nname = "db"\n',
        {
            "scenario[0].path",
            "scenario[0].name",
            "accept[0]",
            "accept[0].until",
            "check[0].host",
            "check[0].port",
        },
    ),
]


@pytest.mark.parametrize(("text", "keys"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_all_problems_are_named_at_once(tmp_path: Path, text: str, keys: set[str]) -> None:
    """Each malformed configuration names every key path that is wrong, in one go, and no innocent one."""
    assert set(problems(tmp_path, text)) == keys


def test_a_problem_says_file_found_allowed_and_the_nearest_key(tmp_path: Path) -> None:
    """One line holds all that is needed to mend it."""
    found = problems(tmp_path, TARGET + 'redy = "/"\n[load]\nprofile = "sawtoth"\n')
    assert str(found["target.redy"]).startswith(f"{tmp_path}/soak.toml: target.redy: found an unknown key; allowed: ")
    assert found["target.redy"].nearest == "ready"
    assert found["load.profile"].found == '"sawtoth"'
    assert found["load.profile"].nearest == "sawtooth"


def test_a_key_in_the_wrong_table_is_sent_to_the_right_one(tmp_path: Path) -> None:
    """A key that exists elsewhere is not merely unknown."""
    assert problems(tmp_path, TARGET + 'timezone = "UTC"\n')["target.timezone"].nearest == "schedule.timezone"


def test_profiles_take_only_their_own_keys(tmp_path: Path) -> None:
    """Levels belong to steps; the named profiles count users, so rates beside them would be ignored."""
    steps = TARGET + '[load]\nprofile = "{}"\n{}\n'
    assert problems(tmp_path, steps.format("steps", "levels = [0, 10, 50, 100]")) == {}
    assert set(problems(tmp_path, steps.format("sawtooth", "levels = [0, 10]"))) == {"load.levels"}
    assert set(problems(tmp_path, steps.format("peak", "low = 1\nhigh = 2"))) == {"load.low", "load.high"}


def test_no_secret_is_printed(tmp_path: Path) -> None:
    """Values of secret keys, of variables, of commands and user info in URLs never stand in a message."""
    text = (
        '[target]\ncommand = "app --password hunter2"\nurl = "ftp://me:hunter2@host/"\n'
        "[target.env]\nDB_PASSWORD = 1.5\n"
        '[load]\ncycle = "${DB_PASSWORD}"\n[alerts]\nsecret = 424242\n'
    )
    (tmp_path / "soak.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "soak.toml", environ={"DB_PASSWORD": "hunter2"})
    message = str(caught.value)
    assert "hunter2" not in message and "424242" not in message and "1.5" not in message
    assert "${DB_PASSWORD}" in message


def test_the_load_can_do_what_is_accepted() -> None:
    """Every kind of scenario that may be written has an engine, and every engine may be asked for."""
    assert set(KINDS) == set(SUPPORTED_KINDS)


@given(
    st.recursive(
        st.one_of(st.booleans(), st.integers(-5, 5), st.text('ab/${}"%', max_size=6), st.floats(allow_nan=True)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    st.sampled_from([*KNOWN_KEYS, *TABLES, *LISTS]),
)
def test_no_value_makes_the_reader_crash(value: object, key: str) -> None:
    """Any TOML value at any key is accepted or refused with a ConfigError."""
    table, _, name = key.partition(".")
    body = f"{name} = {_spelled(value)}" if name else ""
    header = (f"[[{table}]]" if table in LISTS else f"[{table}]") if name else f"{table} = {_spelled(value)}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soak.toml"
        path.write_text(f"{header}\n{body}\n", encoding="utf-8")
        try:
            load_config(path, environ={})
        except ConfigError as error:
            assert error.problems


def _spelled(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_spelled(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_spelled(item) for item in value) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value)
