"""soak's own log: levels, text and JSON lines."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from soak.cli import exit_code
from soak.log import bind, configure, masking
from soak_storage.redact import Redactor


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """Leave the logger of the process as it was."""
    logger = logging.getLogger("soak")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.mark.parametrize(
    ("verbose", "quiet", "seen"),
    [(0, False, "WE"), (1, False, "IWE"), (2, False, "DIWE"), (9, False, "DIWE"), (0, True, "E"), (2, True, "E")],
)
def test_levels_follow_the_options(verbose: int, quiet: bool, seen: str) -> None:
    """Warnings by default, more with -v and -vv, errors alone with -q."""
    stream = io.StringIO()
    configure(verbose=verbose, quiet=quiet, log_format="text", stream=stream)
    logger = logging.getLogger("soak.part")
    for level, name in ((10, "D"), (20, "I"), (30, "W"), (40, "E")):
        logger.log(level, name)
    assert "".join(line[-1] for line in stream.getvalue().splitlines()) == seen


def test_json_lines_carry_their_ids_and_stay_whole() -> None:
    """Four threads at once: each line is one object with run and cycle; an exception is part of its line."""
    stream = io.StringIO()
    configure(verbose=1, quiet=False, log_format="json", stream=stream)
    logger = logging.getLogger("soak.part")

    def write(number: int) -> None:
        for cycle in range(50):
            logger.info("cycle %d begins", cycle, extra={"run": number, "cycle": cycle})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("it broke")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 201
    assert {(line["run"], line["cycle"]) for line in lines[:-1]} == {(n, c) for n in range(4) for c in range(50)}
    assert lines[0]["level"] == "info" and lines[0]["time"].endswith("Z") and lines[0]["logger"] == "soak.part"
    assert "ValueError: why" in lines[-1]["exception"]


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_secrets_are_masked(log_format: str) -> None:
    """Values that are known, passwords by their names, tracebacks too; the ids of a line and its form stay."""
    stream = io.StringIO()
    configure(verbose=1, quiet=False, log_format=log_format, stream=stream)
    logger = logging.getLogger("soak.part")
    bind(run=12)
    with masking(Redactor(["sesame-open"]).text):
        logger.error("it ended; the last lines:\n%s", "  | got sesame-open\n  | DB_PASSWORD=hunter2 host=db")
        try:
            raise ValueError("postgresql://app:tiger@db/orders")
        except ValueError:
            logger.exception("it broke")
    bind(run=None)
    logger.info("sesame-open")  # it is over
    said = stream.getvalue()
    assert not any(secret in said for secret in ("hunter2", "tiger")) and said.count("sesame-open") == 1
    assert "got ***" in said and "DB_PASSWORD=*** host=db" in said and "***@db/orders" in said
    if log_format == "json":
        assert [json.loads(line).get("run") for line in said.splitlines()] == [12, 12, None]
    else:
        assert said.count(" run=12") == 2


def test_the_command_line_sets_it_up(capsys: pytest.CaptureFixture[str]) -> None:
    """-v and --log-format take effect wherever they stand; without them nothing is set up."""
    logging.getLogger("soak").handlers[:] = []
    exit_code(["--help"])
    assert logging.getLogger("soak").handlers == []
    exit_code(["-v", "--log-format", "json", "agent", "--help"])
    logging.getLogger("soak").info("hello")
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["message"] == "hello"
