"""Says at the end of the tests which commands of the documents ran, where they stand, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

RAN = "ran"  # the user property that a report carries from a worker to the terminal
Timed = Callable[[str, str], AbstractContextManager[None]]


@pytest.fixture
def timed(record_property: Callable[[str, object], None]) -> Timed:
    """`with timed(PLACE, COMMAND):` puts what runs in it into the list at the end."""

    @contextmanager
    def timing(place: str, command: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        record_property(RAN, f"{time.monotonic() - began:6.1f} s  {place}: {' '.join(command.split())}")

    return timing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The list, in the order of the documents."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.getreports(word)]
    ran = {str(value) for report in reports for name, value in report.user_properties if name == RAN}
    if ran:
        terminalreporter.section("commands of the documents that ran")
        for line in sorted(ran, key=lambda line: line.partition("  ")[2]):
            terminalreporter.write_line(line)
