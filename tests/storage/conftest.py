"""Every test that asks for `store` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soak_storage import Store, engine, open_store
from soak_storage.records import RunStart
from tests.common import PATIENCE_S
from tests.storage.databases import postgres_folder, running_postgres

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the database may stand still for seconds on a busy machine: that is not what is tested."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", PATIENCE_S)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a running server, up to the name of the database."""
    pytest.importorskip("psycopg", reason="the driver of the extra `postgres` is not installed")
    programs = postgres_folder()
    if programs is None:
        pytest.skip("no PostgreSQL server programs on this machine")
    with running_postgres(programs) as url:
        yield url


def new_database(server: str) -> str:
    """URL of an empty database on `server`."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server + name


def new_schema(server: str) -> str:
    """URL of an empty schema on `server`: a hundred of them cost less than a few databases."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{server}postgres?options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/soak.db"
    return new_schema(request.getfixturevalue("postgres"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store of each kind."""
    with open_store(url, environ={}) as opened:
        yield opened


@pytest.fixture
def begin(store: Store) -> Callable[..., int]:
    """Begins a run with the usual facts, any of them replaced."""

    def begin_run(**facts: object) -> int:
        usual: dict[str, object] = {
            "name": "orders-api",
            "host": "here",
            "started": 1_767_225_600.0,
            "soak_version": "0.1.0",
            "cycle_seconds": 60.0,
            "quiet_seconds": 9.0,
            "cycles_planned": 6,
            "config": {"load": {"high": 50}},
            "target": {"command": ["python", "app.py"]},
        }
        return store.begin_run(RunStart(**{**usual, **facts}))  # type: ignore[arg-type]  # facts are the caller's

    return begin_run


@pytest.fixture
def run(begin: Callable[..., int]) -> int:
    """The id of a run that has just begun."""
    return begin()
