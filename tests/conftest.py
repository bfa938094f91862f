"""What every test starts from, however and where the tests were started."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

# The same examples at every run, and none is wrong because others use the machine as well: a test that fails has found
# something. To look for new examples: `pytest --hypothesis-profile explore`.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("soak")

# Settings of whoever runs the tests that the programs under test would obey.
_NOT_INHERITED = ("SOAK_", "PG", "GITHUB_", "NODE_OPTIONS", "COLUMNS", "LINES", "FORCE_COLOR")
_OF_THE_TESTS = "SOAK_TEST_"


def pytest_configure() -> None:
    """Take SIGINT and SIGHUP back: a shell ignores the one in what it runs in the background, nohup the other.

    An ignored signal is inherited by every process that a test starts, and none of them would hear Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for name in [name for name in os.environ if name.startswith(_NOT_INHERITED)]:
        if not name.startswith(_OF_THE_TESTS):
            del os.environ[name]
    for name in ("no_proxy", "NO_PROXY"):  # whatever proxy there is, it does not know this machine's own ports
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1", "localhost")))
