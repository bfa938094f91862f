"""Files are private, the schema is brought up to date whole or not at all, and nothing newer is touched."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from soak.errors import SoakError
from soak_storage import StoreUnavailable, engine, open_store
from soak_storage.records import RunStart, SampleRow
from soak_storage.tables import METADATA
from tests.common import PATIENCE_S

START = RunStart("a", "here", 0.0, "0.1", 60.0, 9.0, 6, {})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_new_folders_are_private(tmp_path: Path) -> None:
    """Whatever the umask: 0600 for the database, its -wal and -shm, 0700 for folders that had to be made."""
    before = os.umask(0)
    try:
        with open_store(f"sqlite:///{tmp_path}/new/deeper/soak.db") as store:
            store.begin_run(START)
            folder = tmp_path / "new" / "deeper"
            assert {path.name: mode(path) for path in folder.iterdir()} == {
                "soak.db": 0o600,
                "soak.db-wal": 0o600,
                "soak.db-shm": 0o600,
            }
            assert (mode(folder), mode(folder.parent)) == (0o700, 0o700)
    finally:
        os.umask(before)


def test_a_folder_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    """A shared folder is the user's decision."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    open_store(f"sqlite:///{folder}/soak.db").close()
    assert mode(folder) == 0o755


def test_reading_does_not_create_a_store(tmp_path: Path) -> None:
    """`soak report` in the wrong folder says so and leaves nothing behind."""
    with pytest.raises(SoakError) as raised:
        open_store(f"sqlite:///{tmp_path}/none.db", create=False)
    assert raised.value.code == "no_store"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["soak.db", "sqlite://", "sqlite:///:memory:", "mysql://u:hunter2@h/d", "://", "postgresql://u:hunter2@h:x/d"],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    """Unknown databases, and such as would be gone afterwards; the password is not repeated."""
    with pytest.raises(SoakError) as raised:
        open_store(url)
    assert raised.value.code == "store_url"
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Somebody else's file is neither used nor changed."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(SoakError) as raised:
        open_store(f"sqlite:///{path}")
    assert raised.value.code == "store_unusable"
    assert path.read_bytes() == b"not a database, " * 100


READER = """
import os, sys
if os.geteuid() == 0:
    import soak_storage.queries, sqlalchemy.dialects.sqlite  # while the folders they are in can be read
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
from soak.errors import SoakError
from soak_storage import open_store
from soak_storage.records import SampleRow
try:
    with open_store(sys.argv[1], create=False) as store:
        print(list(store.samples(store.series(1)[0].id)[1]))
        store.write(1, [SampleRow(9.0, "rss", "bytes", 9.0)])
except SoakError as error:
    print(error.code, error.message)
"""


@pytest.fixture
def artifact() -> Iterator[Path]:
    """A store in a folder where everybody may read and nobody write; pytest's own folders let only their user in."""
    folder = Path(tempfile.mkdtemp(prefix="soak-artifact-"))
    path = folder / "soak.db"
    with open_store(f"sqlite:///{path}", environ={}) as store:
        store.write(store.begin_run(START), [SampleRow(1.0, "rss", "bytes", 5.0)])
    path.chmod(0o444)
    folder.chmod(0o555)
    yield path
    folder.chmod(0o755)
    shutil.rmtree(folder)


def read_as_nobody(path: Path) -> list[str]:
    command = [sys.executable, "-c", READER, f"sqlite:///{path}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_store_that_may_only_be_read_is_read(artifact: Path) -> None:
    """An artifact of a CI job can be shown where it is; writing into it is told, not tried for ever."""
    values, refused = read_as_nobody(artifact)
    assert values == "[5.0]"
    assert "readonly" in refused
    assert [path.name for path in artifact.parent.iterdir()] == ["soak.db"]


def test_a_read_only_store_with_commits_beside_it_is_refused(artifact: Path) -> None:
    """What is in the -wal file would be overlooked."""
    artifact.parent.chmod(0o755)
    artifact.with_name("soak.db-wal").write_bytes(b"x")
    artifact.parent.chmod(0o555)
    (refused,) = read_as_nobody(artifact)
    assert "not merged" in refused


def test_a_missing_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres is an extra: without its driver the message says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SoakError) as raised:
        open_store("postgresql://me@127.0.0.1:9/x")
    assert raised.value.code == "store_driver"
    assert "pip install '.[postgres]'" in raised.value.next_step


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    """Port 9 of this machine answers nobody."""
    pytest.importorskip("psycopg", reason="the driver of the extra `postgres` is not installed")
    with pytest.raises(SoakError) as raised:
        open_store("postgresql://me:hunter2@127.0.0.1:9/x")
    assert raised.value.code == "store_unusable"
    assert "hunter2" not in str(raised.value)


def test_the_tables_are_what_the_migrations_make(url: str) -> None:
    """No column is in the code but not in a migration, or the other way round; HEAD is the newest of them."""
    with open_store(url) as store:
        assert engine.schema_version(store.engine) == engine.HEAD
        with store.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == engine.HEAD


def test_a_newer_store_is_refused_and_left_alone(url: str) -> None:
    """An old soak must not write into tables it does not know."""
    with open_store(url) as store, store.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SoakError) as raised:
        open_store(url)
    assert raised.value.code == "store_newer"
    assert "9999" in str(raised.value)


def test_a_migration_that_fails_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that were made before the failure are gone with it, and the next start begins anew."""
    migrate = engine._run_migrations

    def broken(connection: sa.Connection) -> None:
        migrate(connection)
        raise RuntimeError("in the middle")

    monkeypatch.setattr(engine, "_run_migrations", broken)
    with pytest.raises(RuntimeError):
        open_store(url)
    opened = engine.open_engine(url, create=True)
    assert sa.inspect(opened).get_table_names() == []
    opened.dispose()
    monkeypatch.undo()
    with open_store(url) as store:
        assert store.runs() == []


def _open_and_write(url: str, runs: int) -> None:
    engine.BUSY_SECONDS = PATIENCE_S  # this is a process of its own
    with open_store(url) as store:
        for _ in range(runs):
            run = store.begin_run(START)
            store.write(run, [SampleRow(float(t), "rss", "bytes", 1.0) for t in range(50)])


def test_processes_that_start_together_share_one_store(url: str) -> None:
    """Three at once create the schema once, and every write of each gets through."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_open_and_write, args=(url, 4)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(4 * PATIENCE_S)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with open_store(url) as store:
        assert len(store.runs()) == 12
        assert all(len(store.samples(store.series(run.id)[0].id)[0]) == 50 for run in store.runs())


def test_a_store_that_is_held_too_long_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is waited for, not for ever, and then told as something that may pass."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    path = tmp_path / "soak.db"
    with open_store(f"sqlite:///{path}") as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as raised:
            store.begin_run(START)
        assert "locked" in str(raised.value)
        holder.close()
        assert store.begin_run(START) == 1


def test_opening_a_current_store_does_not_load_alembic(tmp_path: Path) -> None:
    """It costs start-up time and memory that the daemon would carry for months."""
    url = f"sqlite:///{tmp_path}/soak.db"
    open_store(url).close()
    code = f"import sys; from soak_storage import open_store; open_store({url!r}); print('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
