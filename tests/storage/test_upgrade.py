"""A store of every earlier schema is upgraded with all that is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak_storage import engine, open_store
from soak_storage.records import EventRow, HandlePoint, SampleRow, SitePoint, TypePoint
from tests.storage.make_database import FOLDER, STACK, load_dump

DUMPS = sorted(FOLDER.glob("*.sql"))


def test_there_is_a_dump_of_the_schema_of_today() -> None:
    """Who adds a migration runs `python -m tests.storage.make_database`, before the schema is released."""
    assert [dump.stem for dump in DUMPS] == [f"{number:04d}" for number in range(1, int(engine.HEAD) + 1)]


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_an_old_store_is_upgraded_with_all_that_is_in_it(dump: Path, tmp_path: Path) -> None:
    """Runs, samples, readings, load and analyses are the same after the upgrade, and it can be written."""
    with open_store(load_dump(dump, tmp_path / "old.db"), environ={}) as store:
        assert engine.schema_version(store.engine) == engine.HEAD
        assert [(run.id, run.status, run.verdict) for run in store.runs()] == [
            (2, "running", None),
            (1, "completed", "leak"),
        ]
        assert store.run(1).config["limits"] == {"growth": "1MB/h"}
        times, values = store.samples(store.series(1)[0].id)
        assert (len(times), values[-1], sum(value != value for value in values)) == (121, 1e6 + 11900, 1)
        assert [cycle.number for cycle in store.cycles(1)] == [0, 1]
        assert store.events(1) == [EventRow("outage", 30.0, 31.0, {"why": "refused"}, key="1")]
        assert [row.landed for row in store.load_cycles(1)] == [row.landed * 2 for row in store.load_windows(1)] == [8]
        (site,) = store.sites(1)
        assert site.stack == STACK
        assert site.points[1] == SitePoint(118.0, 1, 0, "9:main", 200.0, 2.0, 1.5, {0: 100})
        assert store.types(1)[0].points[0] == TypePoint(58.0, 0, 0, "9:main", 5, 500)
        assert store.handles(1)[0].points[0] == HandlePoint(58.0, 0, 0, "9:main", 2, "/tmp/x")
        assert store.latest_analysis(1) == {"verdict": "leak", "exit_code": 1}
        assert store.processes(1)[0].cmdline == ("python", "app.py")
        assert store.owned_processes()[0][1].pid == 9
        store.write(2, [SampleRow(1.0, "rss", "bytes", 2.0)])
        assert list(store.samples(store.series(2)[0].id)[1]) == [1.0, 2.0]
