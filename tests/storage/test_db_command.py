"""`soak db` as a user runs it: upgrade, prune, vacuum, export."""

from __future__ import annotations

import csv
import json
import stat
import time
from pathlib import Path

import pytest

from soak.cli import exit_code
from soak_storage import engine, open_store
from soak_storage.records import RunStart, SampleRow
from soak_storage.tables import METADATA
from tests.storage.make_database import FOLDER, fill, load_dump

DAY = 86400.0


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with two old runs (one never closed), in an otherwise empty folder that the user is in."""
    monkeypatch.chdir(tmp_path)
    where = f"sqlite:///{tmp_path}/soak.db"
    with open_store(where, environ={}) as store:
        fill(store)
    return where


def run_ids(url: str) -> list[int]:
    with open_store(url, create=False) as store:
        return sorted(run.id for run in store.runs())


def add_run(url: str, ended: float, samples: int = 10) -> int:
    with open_store(url) as store:
        run = store.begin_run(RunStart("a", "here", ended - samples, "0.1", 60.0, 9.0, 1, {}))
        store.write(run, [SampleRow(float(t), "rss", "bytes", t + 0.5) for t in range(samples)])
        store.end_run(run, "completed", ended)
        return run


def test_upgrade_names_both_schemas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the oldest schema to the newest, with sizes; the second time there is nothing to do."""
    url = load_dump(FOLDER / "0001.sql", tmp_path / "old.db")
    assert exit_code(["db", "upgrade", "--store", url]) == 0
    said = capsys.readouterr().out
    assert f"schema 0001 -> {engine.HEAD}" in said
    assert "KB -> " in said
    assert exit_code(["db", "upgrade", "--store", url]) == 0
    assert "is up to date" in capsys.readouterr().out


def test_upgrade_does_not_make_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped name is an error, not a new database."""
    assert exit_code(["db", "upgrade", "--store", f"sqlite:///{tmp_path}/none.db"]) == 4
    assert "no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_prune_deletes_what_is_older_than_90_days(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a configuration the default of storage.retain holds; a run never closed is not deleted."""
    recent = add_run(url, time.time() - 89 * DAY)
    add_run(url, time.time() - 91 * DAY)
    assert exit_code(["db", "prune", "--store", url]) == 0
    assert "Deleted 2 run(s)." in capsys.readouterr().out
    assert run_ids(url) == [2, recent]


def test_prune_gives_the_room_back(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is smaller afterwards, and the sizes are said."""
    add_run(url, time.time() - DAY, samples=50_000)
    before = (tmp_path / "soak.db").stat().st_size
    assert exit_code(["db", "prune", "--older-than", "1h", "--store", url]) == 0
    assert (tmp_path / "soak.db").stat().st_size < before / 4
    assert " -> " in capsys.readouterr().out


def test_prune_of_one_run_leaves_the_others(url: str) -> None:
    """However old or young they are; the running one is kept even when it is named."""
    young = add_run(url, time.time())
    assert exit_code(["db", "prune", "--run", str(young), "--run", "2", "--store", url]) == 0
    assert run_ids(url) == [1, 2]


def test_prune_of_an_unknown_run_is_an_error(url: str) -> None:
    """Nothing else is deleted then."""
    assert exit_code(["db", "prune", "--run", "99", "--run", "1", "--store", url]) == 4
    assert run_ids(url) == [1, 2]


def test_a_dry_run_only_tells(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers of the runs that would go."""
    assert exit_code(["db", "prune", "--dry-run", "--store", url]) == 0
    assert "Would delete 1 run(s): 1." in capsys.readouterr().out
    assert run_ids(url) == [1, 2]


def test_prune_thins_old_samples(url: str) -> None:
    """Runs that are kept get smaller."""
    run = add_run(url, time.time() - DAY, samples=1000)
    assert exit_code(["db", "prune", "--thin-after", "1h", "--store", url]) == 0
    with open_store(url) as store:
        (series,) = store.series(run)
        assert 0 < len(store.samples(series.id)[0]) < 500


def test_vacuum_makes_the_file_small(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Free pages left inside the file are gone, and later ones can be given back piecemeal."""
    run = add_run(url, time.time(), samples=50_000)
    with open_store(url) as store, store.writing() as connection:
        connection.exec_driver_sql("DELETE FROM samples")
    before = (tmp_path / "soak.db").stat().st_size
    assert exit_code(["db", "vacuum", "--store", url]) == 0
    assert (tmp_path / "soak.db").stat().st_size < before / 4
    assert " -> " in capsys.readouterr().out
    assert run in run_ids(url)


def test_export_as_csv(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file per table with its columns, gaps empty, nested values as JSON; readable by the user only."""
    out = tmp_path / "out"
    assert exit_code(["db", "export", str(out), "--store", url]) == 0
    assert "122 samples" in " ".join(capsys.readouterr().out.split())
    tables = {path.stem: list(csv.DictReader(path.open())) for path in out.glob("*.csv")}
    assert [(row["run"], row["name"], row["verdict"]) for row in tables["runs"]] == [
        ("1", "orders-api", "leak"),
        ("2", "orders-api", ""),
    ]
    assert json.loads(tables["runs"][0]["config"])["limits"] == {"growth": "1MB/h"}
    assert [row["value"] for row in tables["samples"] if row["t"] == "50.5"] == [""]
    assert tables["load_cycles"][0]["response"] == "cg=="  # b"r" as base64
    assert json.loads(tables["sites"][0]["stack"]) == ["/app/main.py:10 <module>", "/app/cache.py:57 handler"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    assert json.loads((out / "report-1.json").read_text())["verdict"] == "leak"


def test_export_has_every_table(url: str, tmp_path: Path) -> None:
    """What is in the database is in a file, by the same name or as part of another."""
    assert exit_code(["db", "export", str(tmp_path / "out"), "--store", url]) == 0
    files = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    elsewhere = {
        *("series", "sample_buckets", "frames", "stacks", "stack_frames", "analyses"),
        *("reading_sites", "reading_births", "reading_types", "reading_handles"),
        *("owned_processes", "alerts", "alert_deliveries", "jobs"),  # soak's own business, not of a run
    }
    assert {table.name for table in METADATA.sorted_tables} - elsewhere == files - {"buckets", "sites", "handles"}


def test_export_as_json_lines(url: str, tmp_path: Path) -> None:
    """One object per line, gaps null, of the runs that were asked for only."""
    out = tmp_path / "out"
    assert exit_code(["db", "export", str(out), "--format", "jsonl", "--run", "2", "--store", url]) == 0
    assert (out / "samples.jsonl").read_text() == (
        '{"run":2,"series":"rss","process":"total","unit":"bytes","t":0.0,"value":1.0}\n'
    )
    assert (out / "events.jsonl").read_text() == ""


def test_export_overwrites_nothing(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second export into the same folder is refused with advice."""
    out = tmp_path / "out"
    assert exit_code(["db", "export", str(out), "--store", url]) == 0
    assert exit_code(["db", "export", str(out), "--store", url]) == 2
    assert "new folder" in capsys.readouterr().err
