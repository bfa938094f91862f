"""The doctor asks each [[check]] once, for real."""

from __future__ import annotations

import socket
from pathlib import Path

from soak.config import Config, load_config
from soak.doctor.dependencies import examine
from tests.common import free_port


def config(folder: Path, target: str, *checks: str) -> Config:
    """A configuration with these checks."""
    entries = [f'[[check]]\nname = "c{number}"\ntimeout = "30s"\n{check}\n' for number, check in enumerate(checks)]
    (folder / "soak.toml").write_text("\n".join([f"[target]\n{target}", *entries]))
    return load_config(folder / "soak.toml", environ={})


def test_what_answers_is_ok_and_what_does_not_fails_with_its_mend(tmp_path: Path) -> None:
    """A port that accepts, one that does not, and a name that is known."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        tcp = f'kind = "tcp"\nhost = "127.0.0.1"\nport = {port}'
        dns = 'kind = "dns"\nhost = "localhost"'
        made = config(tmp_path, 'pid = 1\nurl = "http://127.0.0.1:9"', tcp, dns)
        assert [finding.result for finding in examine(made)] == ["ok", "ok"]
    gone = examine(made)[0]
    assert (gone.area, gone.name, gone.result) == ("checks", "c0", "fail")
    assert gone.what.startswith("tcp: ") and gone.mend


def test_checks_of_a_target_that_soak_will_start_wait(tmp_path: Path) -> None:
    """Its own port cannot answer yet; asking it would only frighten."""
    http = 'kind = "http"\nurl = "http://127.0.0.1:9/health"'
    tcp = 'kind = "tcp"\nhost = "127.0.0.1"\nport = 9'
    url = 'url = "http://127.0.0.1:9"'
    assert [f.result for f in examine(config(tmp_path, f'command = ["x"]\n{url}', http, tcp))] == ["skip", "skip"]
    assert [f.result for f in examine(config(tmp_path, f"pid = 1\n{url}", http, tcp))] == ["fail", "fail"]
