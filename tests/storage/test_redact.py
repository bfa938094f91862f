"""Secrets are masked under their name, in their place, and wherever a known one turns up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from soak_storage import Store, open_store
from soak_storage.records import (
    AnalysisRow,
    EventRow,
    HandleRow,
    LoadCycleRow,
    OwnedRow,
    ProcessRow,
    ReadingRow,
    RunStart,
    SegmentRow,
)
from soak_storage.redact import (
    Redactor,
    redact_command,
    redact_env,
    redact_headers,
    redact_mapping,
    redact_text,
    redact_url,
    secret_values,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000/orders?page=2", "http://127.0.0.1:8000/orders?page=2"),
        ("postgresql://me:hunter2@db/x", "postgresql://***@db/x"),
        ("redis://:hunter2@db:6379/0", "redis://***@db:6379/0"),
        ("https://token@host/", "https://***@host/"),
        ("https://u:p@ss@host/", "https://***@host/"),
        ("https://h/x?api_key=1234&a=b", "https://h/x?api_key=***&a=b"),
        ("https://h/x?a=b&Access-Token=1234", "https://h/x?a=b&Access-Token=***"),
        ("https://h/x?sig=abc&signature=def", "https://h/x?sig=***&signature=***"),
        ("https://h/cb#access_token=1234", "https://h/cb#access_token=***"),
        ("http://u:p@[::1/", "http://***@[::1/"),
    ],
)
def test_url(url: str, expected: str) -> None:
    """User information and secret parameters go, the rest of the URL stays as it was."""
    assert redact_url(url) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("app --port 8000 app:app", "app --port 8000 app:app"),
        ("app --password hunter2 run", "app --password *** run"),
        ("app --api-key=abc run", "app --api-key=*** run"),
        ("app --use-token --port 80", "app --use-token --port 80"),
        ("/usr/bin/mysql -uroot -phunter2 db", "/usr/bin/mysql -uroot -p*** db"),
        ("mysql -p db", "mysql -p db"),
        ("redis-cli -a hunter2 ping", "redis-cli -a *** ping"),
        ("curl -u me:hunter2 http://h/", "curl -u *** http://h/"),
        ("curl --user me:hunter2 http://h/", "curl --user *** http://h/"),
        ("curl http://me:hunter2@h/", "curl http://***@h/"),
        ("env SECRET_KEY=abc python app.py", "env SECRET_KEY=*** python app.py"),
        ("python -p 8000", "python -p 8000"),
        ("", ""),
    ],
)
def test_command(command: str, expected: str) -> None:
    """Secrets in flags, in the argument after them, glued to them, in variables and in URLs."""
    assert redact_command(command.split()) == expected.split()


def test_a_header_argument_is_masked() -> None:
    """curl gets its headers as arguments."""
    assert redact_command(["curl", "-H", "Authorization: Bearer abcdef"]) == ["curl", "-H", "Authorization: ***"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /orders took 12 ms", "GET /orders took 12 ms"),
        ("connecting to redis://u:pw@h/0 now", "connecting to redis://***@h/0 now"),
        ("DB_PASSWORD=hunter2 loaded", "DB_PASSWORD=*** loaded"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": ***, "n": 1}'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Cookie: session=abc; theme=dark", "Cookie: ***"),
        ("sent bearer abcdefgh to h", "sent bearer *** to h"),
        ("started with --token abc --port 1", "started with --token *** --port 1"),
        ("token: abc", "token: ***"),
    ],
)
def test_text(line: str, expected: str) -> None:
    """A line of a log keeps all but the secret."""
    assert redact_text(line) == expected


@pytest.mark.parametrize(
    "piece", ["key", "a.", "-key", "key=", "a://", "bearer ", "--token ", "http://u:p@h?key=", "%"]
)
def test_a_hostile_line_is_masked_in_no_time(piece: str) -> None:
    """A target may log whatever it likes: eight times the line takes about eight times the CPU, not the 64 of a square.

    First of short ones, so that a fault takes seconds and not hours to be seen; then up to 200 KB.
    """

    def seconds(size: int) -> float:
        line = piece * (size // len(piece))
        spent = []
        for _ in range(5):  # the best of them: others may have had the caches of this processor meanwhile
            before = time.thread_time()  # of this thread alone: what others do meanwhile costs it nothing
            redact_text(line)
            spent.append(time.thread_time() - before)
        return min(spent)

    for size in (2_500, 25_000):
        assert seconds(8 * size) < 24 * seconds(size)


def test_environment_and_headers() -> None:
    """By name; other values are searched for URLs."""
    env = {"API_TOKEN": "a", "AWS_SECRET_ACCESS_KEY": "b", "DATABASE_URL": "postgresql://u:p@h/d", "LOG_LEVEL": "info"}
    assert redact_env(env) == {
        "API_TOKEN": "***",
        "AWS_SECRET_ACCESS_KEY": "***",
        "DATABASE_URL": "postgresql://***@h/d",
        "LOG_LEVEL": "info",
    }
    headers = {"Authorization": "Basic x", "cookie": "a=b", "X-Api-Key": "k", "Accept": "*/*"}
    assert redact_headers(headers) == {"Authorization": "***", "cookie": "***", "X-Api-Key": "***", "Accept": "*/*"}


def test_mapping_at_any_depth() -> None:
    """All under a secret name is masked, keeping its shape; what is empty or a switch says nothing."""
    config = {
        "target": {"command": ["app", "--password", "hunter2"], "url": "http://u:p@h"},
        "alerts": {"secret": "abc", "token": None, "use_key": True},
        "scenario": [{"json": {"user": "me", "password": 1234}, "credentials": {"a": ["b", ""]}}],
    }
    assert redact_mapping(config) == {
        "target": {"command": ["app", "--password", "***"], "url": "http://***@h"},
        "alerts": {"secret": "***", "token": None, "use_key": True},
        "scenario": [{"json": {"user": "me", "password": "***"}, "credentials": {"a": ["***", ""]}}],
    }


def test_secret_values_are_found() -> None:
    """What stands under secret names, and the passwords of URLs."""
    config = {"alerts": {"secret": "abc"}, "keys": [{"a": "def"}, 7], "url": "http://u:pw@h", "n": 5, "token": True}
    assert sorted(secret_values(config)) == ["7", "abc", "def", "pw"]


def test_a_known_secret_is_masked_anywhere() -> None:
    """Once seen under its name it is found in free text, plain and as a URL quotes it; short ones hit too much."""
    redactor = Redactor(["pa/ss word", "abc"])
    redactor.learn(["pa/ss word and more"])
    assert redactor.text("got pa/ss word, pa%2Fss%20word and abc") == "got ***, *** and abc"
    assert redactor.text("pa/ss word and more") == "***"
    assert redactor.command(["app", "pa/ss word"]) == ["app", "***"]


def test_lines_of_code_in_a_report_stay_readable() -> None:
    """A report is computed from what was masked already: only known values and URLs are looked for."""
    redactor = Redactor(["sesame-open"])
    result = {"code": "api_key = load(key)", "key": "cache", "url": "http://u:p@h/", "message": ["sesame-open"]}
    assert redactor.derived(result) == {
        "code": "api_key = load(key)",
        "key": "cache",
        "url": "http://***@h/",
        "message": ["***"],
    }


def test_nothing_secret_reaches_the_database_file(tmp_path: Path) -> None:
    """Whatever way a secret takes into the store, its bytes are nowhere in the files."""
    secret = "sesame-open"
    path = tmp_path / "soak.db"
    with open_store(f"sqlite:///{path}", environ={"PGPASSWORD": "env-secret"}) as store:
        run = store.begin_run(
            RunStart(
                name="a",
                host="h",
                started=0.0,
                soak_version="0",
                cycle_seconds=60.0,
                quiet_seconds=9.0,
                cycles_planned=1,
                config={"alerts": {"secret": secret}, "target": {"env": {"X_TOKEN": secret}}},
                target={"command": ["app", f"--key={secret}"]},
            )
        )
        said = f"it said {secret} and env-secret"
        store.update_run(run, version=said, target={"command": ["app", "--key", secret], "said": said})
        store.write(run, everything_that_says(said))
        store.end_run(run, "failed", 1.0, error={"message": said})
    files = list(tmp_path.iterdir())
    assert files
    for file in files:
        content = file.read_bytes()
        assert secret.encode() not in content
        assert b"env-secret" not in content


def everything_that_says(said: str) -> list[object]:
    """A record of each kind that takes free text, with `said` wherever it fits."""
    return [
        EventRow("exit", 1.0, None, {"log": [said]}),
        SegmentRow(0, 0.0, said),
        ProcessRow(1, 1, "main", 0.0, 1.0, cmdline=("app", said)),
        ReadingRow(1.0, 0, "1:main", warnings=(said,), handles=(HandleRow("fd", 1, (), said),), detail={"x": said}),
        LoadCycleRow(0, "s", 1, 1, 1, 0, 0, errors={said: 1}, checks={"x": said}, detail={"y": said}),
        OwnedRow(1, 1, said),
        AnalysisRow(1.0, {"message": said}),
    ]


def test_a_resumed_run_knows_its_secrets_again(store: Store, run: int, begin: Callable[..., int]) -> None:
    """After a restart the configuration is handed over once more, so that its values are found in texts."""
    store.resume_run(run, 1, 1, config={"alerts": {"secret": "sesame-open"}})
    store.write(run, [EventRow("exit", 1.0, None, {"log": "sesame-open"})])
    assert store.events(run)[0].detail == {"log": "***"}
