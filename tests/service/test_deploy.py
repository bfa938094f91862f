"""What deploy/ ships fits the code: metrics that exist, options that exist, configurations that load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from soak.alerts.channels import run
from soak.cli import COMMANDS, cli
from soak.config import load_config, store_url
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


def test_a_shell_finds_the_store_of_the_unit() -> None:
    """`soak report -c /etc/soak/soak.toml` reads what the daemon writes, without the unit's variables."""
    file = DEPLOY / "systemd/soak.toml"
    assert store_url(file, {}) == store_url(file, {"STATE_DIRECTORY": "/var/lib/soak"})


@pytest.mark.parametrize("occasion", ["raised", "resolved"])
def test_the_command_of_the_unit_says_what_was_found(
    occasion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for the journal, whatever is in it; that a finding is gone is not told as one."""
    logger = tmp_path / "logger"
    logger.write_text(f'#!/bin/sh\nfor last; do :; done; printf %s "$last" > {tmp_path}/line\n')
    logger.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    command = tomllib.loads((DEPLOY / "systemd/soak.toml").read_text())["alerts"]["command"]
    run(command, {"occasion": occasion, "target": "orders-api", "message": "rss grows; $(false) -x"})
    assert (tmp_path / "line").read_text() == f"{occasion}: orders-api: rss grows; $(false) -x"


@pytest.mark.parametrize("file", ["docker/compose.yaml", "kubernetes/sidecar.yaml", "kubernetes/cronjob.yaml"])
def test_target_and_soak_share_the_folder_of_the_agent(file: str) -> None:
    """Both mount it at one place, and below that the agent makes its own, which only its user may read."""
    text = (DEPLOY / file).read_text()
    (folder,) = re.findall(r"SOAK_AGENT_DIR(?:, value)?: ([^\s}]+)", text)
    mounts = re.findall(r"- (?:\{name: )?agent(?::|, mountPath: )(/[^\s}]+)", text)
    assert mounts == [str(Path(folder).parent)] * 2


@pytest.mark.parametrize("file", ["docker/compose.yaml", "kubernetes/sidecar.yaml", "kubernetes/cronjob.yaml"])
def test_the_host_has_a_name_that_stays(file: str) -> None:
    """Schedule and last verdict are kept by it: a random one is another daemon after every rollout."""
    assert re.findall(r"^ +hostname: (orders-api\S*)", (DEPLOY / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", sorted((DEPLOY / "ci").iterdir()), ids=lambda file: file.name)
def test_no_pipeline_installs_a_package_of_somebody_else(file: Path) -> None:
    """soak is on no index: what is called so there would be run with the rights of the job."""
    installs = re.findall(r"pip install (.*)", file.read_text())
    assert installs == ["-r requirements.txt", '"soak @ git+$SOAK_REPOSITORY"']


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
