"""What deploy/ ships fits the code: metrics that exist, options that exist, configurations that load."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from soak.cli import COMMANDS, cli
from soak.config import load_config
from soak.daemon import checked
from soak.metrics import exposition
from soak.progress import Status
from soak.recorder import RecorderStats
from soak.standing import LastRun, Patience, Standing
from soak_storage.records import EventRow, LoadWindowRow, SampleRow

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_METRIC = re.compile(r"\bsoak_[a-z_]+\b")


def exposed() -> set[str]:
    """Every metric name that a daemon in a run exposes."""
    standing = Standing("orders-api")
    standing.parts = lambda: {"web": {"restarts": 0, "error": None}}
    standing.next_start = lambda: 1.0
    standing.begin(Patience())
    standing.end(LastRun(1, "clean", 1.0))
    standing.begin(Patience())
    standing.recording(2, lambda: RecorderStats(0, 0, 0, 0, 0, None, None))
    samples = [SampleRow(1.0, unit, unit, 1.0) for unit in ("bytes", "count", "ratio")]
    check = EventRow("check", 0.5, None, {"name": "api", "state": "healthy"})
    standing.committed([*samples, LoadWindowRow(0.0, 1.0, 0, "load", "list", 9, 9, 7, 1, 1), check])
    standing.progress(Status(2, 1.0, 0, 6, "load", 1.0, None, 1.0, 1, 0, None))
    return set(re.findall(r"^(soak_\w+)", exposition(standing).decode(), re.MULTILINE))


@pytest.mark.parametrize("file", ["prometheus/soak.rules.yml", "grafana/soak.json"])
def test_every_metric_that_is_asked_for_exists(file: str) -> None:
    """A rule or a panel on a name that nobody exposes would be silent for ever."""
    text = (DEPLOY / file).read_text()
    asked = set(_METRIC.findall(text))
    assert asked and asked <= exposed()


def test_the_dashboard_is_one() -> None:
    """Panels with queries, none over another, each with an id of its own."""
    panels = json.loads((DEPLOY / "grafana/soak.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) and all(panel["targets"] for panel in panels)
    cells = set()
    for panel in panels:
        place = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in taken) < 24
        cells |= taken


@pytest.mark.parametrize("file", ["ci/github-nightly.yml", "ci/gitlab-nightly.yml", "kubernetes/cronjob.yaml"])
def test_every_option_of_soak_run_exists(file: str) -> None:
    """What the pipelines type is what `soak run` takes."""
    text = (DEPLOY / file).read_text()
    known = CliRunner().invoke(cli, ["run", "--help"]).output
    options = set(re.findall(r"(?<=\s)--[a-z]+", text.partition("soak run" if "ci/" in file else "args:")[2]))
    used = {option for option in options if option not in ("--idle",)}
    assert used and all(option in known for option in used)
    assert all(name in COMMANDS for name in re.findall(r"(?:run: |- )soak (\w+)", text))


@pytest.mark.parametrize("file", ["systemd/soak.toml", "docker/soak.toml", "kubernetes/sidecar.yaml"])
def test_every_configuration_is_one_for_a_daemon(file: str, tmp_path: Path) -> None:
    """It loads, and a daemon can live by it."""
    text = (DEPLOY / file).read_text()
    if file.endswith(".yaml"):
        block = text.partition("soak.toml: |\n")[2].partition("\n---")[0]
        text = "\n".join(line.removeprefix("    ") for line in block.splitlines())
    text = text.replace("/opt/orders", str(tmp_path))
    (tmp_path / "soak.toml").write_text(text)
    config = checked(load_config(tmp_path / "soak.toml", environ={"SOAK_WEB_TOKEN": "open sesame"}))
    assert config.schedule.cron == "0 22 * * *"


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kubernetes-validate of PyPI, which brings the schemas with it, in an environment of its own."""
    folder = tmp_path_factory.mktemp("validator")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "kubernetes-validate"]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("kubernetes-validate could not be installed")
    return folder / "bin/kubernetes-validate"


@pytest.mark.slow
@pytest.mark.parametrize("file", ["sidecar.yaml", "cronjob.yaml"])
def test_kubernetes_would_take_the_manifests(file: str, validator: Path) -> None:
    """Valid against the schemas of Kubernetes, and no key that it does not know."""
    command = [str(validator), "--strict", str(DEPLOY / "kubernetes" / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
