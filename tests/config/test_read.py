"""A valid soak.toml becomes a Config with every default filled in."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from soak.config import Config, Growth, Overrides, Peak, limits_from_json, load_config, store_url
from soak.errors import ConfigError, SoakError

MINIMAL = """
[target]
command = ["python", "app.py"]
url = "http://127.0.0.1:8000"
"""


def read(folder: Path, text: str, **facts: object) -> Config:
    """Write the text as soak.toml and load it with an empty environment."""
    (folder / "soak.toml").write_text(text)
    return load_config(folder / "soak.toml", **{"environ": {}, **facts})  # type: ignore[arg-type] # facts are keywords


def test_three_lines_are_enough(tmp_path: Path) -> None:
    """Everything but the way to the target has a default, and what was assumed is said."""
    config = read(tmp_path, MINIMAL)
    assert (config.load.profile, config.load.cycle, config.load.cycles) == ("sawtooth", 3600.0, 8)
    assert config.limits.growth == Growth(1048576.0, "h", written=False)
    assert config.limits.peak == Peak(10 * 1048576, relative=True)
    assert config.limits.fds == Growth(0.5, "h", written=False)
    assert [(item.path, item.weight) for item in config.scenarios] == [("/", 1.0)]
    assert any("GET /" in note for note in config.notes)
    assert config.storage.url == f"sqlite:///{tmp_path}/soak.db"
    assert config.target.cwd == tmp_path


@pytest.mark.parametrize(
    ("cycle", "quiet", "interval"),
    [
        # 15 % of the cycle between 3 s and 10 m; cycle/120 between 250 ms and 5 s
        ("1h", 540.0, 5.0),
        ("2h", 600.0, 5.0),
        ("5m", 45.0, 2.5),
        ("60s", 9.0, 0.5),
        ("10s", 3.0, 0.25),
        ("4s", 2.0, 0.25),
    ],
)
def test_phases_scale_with_the_cycle(tmp_path: Path, cycle: str, quiet: float, interval: float) -> None:
    """Quiet phase and sampling interval follow the cycle where they are not written."""
    config = read(tmp_path, MINIMAL + f'[load]\ncycle = "{cycle}"\n')
    assert (config.load.quiet, config.sample.interval) == (quiet, interval)


def test_short_cycles_get_limits_per_cycle_and_say_so(tmp_path: Path) -> None:
    """Below 30 minutes 1 MB an hour is less than the noise, so the unwritten limits are per cycle."""
    config = read(tmp_path, MINIMAL + '[load]\ncycle = "60s"\n[limits]\nfds = "2/cycle"\n')
    assert config.limits.growth == Growth(1048576.0, "cycle", written=False)
    assert config.limits.threads == Growth(0.5, "cycle", written=False)
    assert config.limits.fds == Growth(2.0, "cycle", written=True)
    said = next(note for note in config.notes if "below 30 minutes" in note)
    assert "1MB/cycle" in said and "threads" in said and "fds" not in said


def test_the_command_line_scales_the_defaults_too(tmp_path: Path) -> None:
    """--cycle counts before defaults are derived from the cycle; --cycles and --store win over the file."""
    overrides = Overrides(cycle=60.0, cycles=3, store="sqlite:////var/other.db")
    config = read(tmp_path, MINIMAL + '[load]\ncycle = "1h"\n', overrides=overrides)
    assert (config.load.cycle, config.load.cycles, config.load.quiet) == (60.0, 3, 9.0)
    assert config.limits.growth.per == "cycle"
    assert config.storage.url == "sqlite:////var/other.db"


def test_limits_in_each_unit_become_limits_per_hour() -> None:
    """Per cycle counts cycles in an hour, per request counts what landed in an hour."""
    assert Growth(1024.0, "h").per_hour(60.0, None) == 1024.0
    assert Growth(1024.0, "cycle").per_hour(60.0, None) == 1024.0 * 60
    assert Growth(16.0, "request").per_hour(60.0, 1000.0) == 16000.0
    assert Growth(16.0, "request").per_hour(60.0, None) is None


def test_limits_are_read_in_their_units(tmp_path: Path) -> None:
    """Milliseconds for latency, ratios for percentages, ceilings by series."""
    text = '[limits]\np99 = "0.5s"\nerrors = "0.1%"\ncpu = "150%"\npeak_fds = 900\npeak_uss = "1GB"\npeak = "4GB"\n'
    limits = read(tmp_path, MINIMAL + text).limits
    assert (limits.p99, limits.errors, limits.cpu) == (500.0, 0.001, 1.5)
    assert limits.peaks == {"fds": 900.0, "uss": 2.0**30}
    assert limits.peak == Peak(4 * 2**30, relative=False)
    assert limits.cleanup_grace == 60.0


def test_a_configuration_survives_json_and_pickle(tmp_path: Path) -> None:
    """The store keeps the JSON and reports read the limits back; load workers get it pickled."""
    config = read(tmp_path, MINIMAL + '[load]\ncycle = "60s"\n[limits]\npeak_fds = 900\n')
    data = json.loads(json.dumps(config.to_json(), allow_nan=False))
    assert limits_from_json(data) == limits_from_json(data["limits"]) == config.limits
    assert pickle.loads(pickle.dumps(config)) == config


def test_environment_variables_are_filled_in_and_secrets_stay_out_of_the_store(tmp_path: Path) -> None:
    """${NAME} is replaced everywhere; what came from a secret variable is written back as ${NAME}."""
    text = MINIMAL + (
        '[[scenario]]\nname = "list"\npath = "/${PLACE}"\ndata = "$${KEPT}"\n'
        'headers = { Authorization = "Bearer ${API_TOKEN}" }\n'
    )
    config = read(tmp_path, text, environ={"PLACE": "orders", "API_TOKEN": "hunter2hunter2"})
    scenario = config.scenarios[0]
    assert (scenario.path, scenario.data) == ("/orders", "${KEPT}")
    assert scenario.headers["Authorization"] == "Bearer hunter2hunter2"
    stored = json.dumps(config.to_json())
    assert "hunter2" not in stored and "Bearer ${API_TOKEN}" in stored


def test_streams_and_hostile_clients_are_read(tmp_path: Path) -> None:
    """The scenarios that a leak hunt needs: SSE that leave early, WebSockets that speak first."""
    text = MINIMAL + (
        '[load]\ncycle = "40s"\nquiet = "6s"\n[limits]\nfds = "2/cycle"\npeak = "4GB"\n'
        '[[scenario]]\nname = "work"\nkind = "sse"\nmethod = "GET"\npath = "/work"\n'
        'faults = { abandon = 1.0 }\nhold = "0.05s"\n'
        '[[scenario]]\nname = "ws"\nkind = "websocket"\nmethod = "GET"\npath = "/ws"\nfaults = { abandon = 1.0 }\n'
        'subprotocols = ["graphql-transport-ws"]\nsend = ["{}"]\nuntil = "next"\nhold = "50ms"\n'
    )
    sse, socket = read(tmp_path, text).scenarios
    assert (sse.kind, sse.hold, sse.faults) == ("sse", 0.05, {"abandon": 1.0})
    assert (socket.subprotocols, socket.send, socket.until) == (("graphql-transport-ws",), ("{}",), "next")


def test_the_store_follows_the_state_directory(tmp_path: Path) -> None:
    """Under systemd a relative store lies in the unit's state folder."""
    config = read(tmp_path, MINIMAL, environ={"STATE_DIRECTORY": "/var/lib/soak"})
    assert config.storage.url == "sqlite:////var/lib/soak/soak.db"


def test_the_store_is_found_without_a_valid_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`soak report` needs only the store: other faults in the file, or no file, do not stop it."""
    (tmp_path / "soak.toml").write_text('[target]\nbogus = 1\n[storage]\nurl = "sqlite:///here.db"\n')
    monkeypatch.chdir(tmp_path)
    assert store_url(None, {}) == f"sqlite:///{tmp_path}/here.db"
    (tmp_path / "soak.toml").unlink()
    assert store_url(None, {}) == f"sqlite:///{tmp_path}/soak.db"


def test_a_url_is_enough_for_load_alone(tmp_path: Path) -> None:
    """`soak load` needs no process; two ways to one are an error there too."""
    text = '[target]\nurl = "http://127.0.0.1:8000"\n'
    assert read(tmp_path, text, url_is_enough=True).target.command == ()
    for wrong, enough in ((text, False), (text + 'pid = 1\ncommand = ["x"]\n', True)):
        with pytest.raises(ConfigError, match="exactly one of"):
            read(tmp_path, wrong, url_is_enough=enough)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """No configuration is its own message with its own next step."""
    with pytest.raises(SoakError, match="soak init"):
        load_config(tmp_path / "absent.toml", environ={})


def test_a_store_that_is_none_is_refused(tmp_path: Path) -> None:
    """Even the lenient reader refuses a store it cannot understand."""
    (tmp_path / "soak.toml").write_text('[storage]\nurl = "mysql://x"\n')
    with pytest.raises(ConfigError, match=r"storage\.url"):
        store_url(tmp_path / "soak.toml", {})
