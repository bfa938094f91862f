"""Real databases for the tests: files, and a PostgreSQL server that is started for the session and ended with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.common import free_port

NOBODY = 65534
PATIENCE_S = 240  # that pg_ctl waits for the server; a busy machine needs more than its usual minute


def postgres_folder() -> Path | None:
    """Where the server's programs are, newest version first; None when there is no PostgreSQL on this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _unprivileged() -> list[str]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """A server of its own on a free port of 127.0.0.1; yields the URL up to and including the last slash."""
    folder = Path(tempfile.mkdtemp(prefix="soak-pg-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        data, port = folder / "data", free_port()
        prefix = _unprivileged()
        initdb = [*prefix, programs / "initdb", "-A", "trust", "-U", "soak", "--no-sync", "--no-locale", "-E", "UTF8"]
        subprocess.run([*initdb, "-D", data], check=True, cwd=folder, capture_output=True)
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        control = [*prefix, programs / "pg_ctl", "-D", data, "-w", "-t", str(PATIENCE_S)]
        # Its output goes to a file: the server keeps the descriptor, and a pipe would never end.
        with (folder / "log").open("wb") as log:
            subprocess.run([*control, "-o", options, "start"], check=True, cwd=folder, stdout=log, stderr=log)
        try:
            yield f"postgresql+psycopg://soak@127.0.0.1:{port}/"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd=folder, capture_output=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
