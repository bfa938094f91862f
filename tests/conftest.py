"""What every test starts from, however the tests were started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take SIGINT and SIGHUP back: a shell ignores the one in what it runs in the background, nohup the other.

    An ignored signal is inherited by every process that a test starts, and none of them would hear Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
