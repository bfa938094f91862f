"""Parts of the daemon: each in a thread, restarted when it fails, ended in order."""

from __future__ import annotations

import logging
import threading

import pytest

from soak.supervisor import Supervised, Supervisor
from tests.common import PATIENCE_S, wait_until


class Flaky:
    """A part that does what it is told."""

    name = "flaky"

    def __init__(self, failures: int = 0, fail_in: str = "loop") -> None:
        self.failures = failures
        self.fail_in = fail_in
        self.calls: list[str] = []
        self.looped = threading.Event()

    def _do(self, what: str) -> None:
        self.calls.append(what)
        if self.fail_in == what and self.failures:
            self.failures -= 1
            raise RuntimeError(f"broken in {what}")

    def initialize(self) -> None:
        """Start."""
        self._do("initialize")

    def loop(self, now: float) -> float:
        """Work."""
        self._do("loop")
        self.looped.set()
        return 0.001

    def shutdown(self) -> None:
        """End."""
        self._do("shutdown")


@pytest.mark.parametrize("where", ["initialize", "loop"])
def test_a_part_that_fails_is_started_again_and_that_is_said(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """Twice broken, then at work: two restarts, each with a shutdown before, each in the log; the error is gone."""
    part = Flaky(failures=2, fail_in=where)
    supervised = Supervised(part, pauses=(0.0,))
    with caplog.at_level(logging.ERROR, "soak"):
        supervised.start()
        assert part.looped.wait(PATIENCE_S)
        wait_until(lambda: part.looped.is_set() and supervised.error is None)
        supervised.stop()
        assert supervised.join(PATIENCE_S)
    assert supervised.restarts == 2
    assert part.calls.count("initialize") == 3 and part.calls.count("shutdown") == 3
    assert caplog.text.count(f"part flaky failed and is started again in 0 s: broken in {where}") == 2


def test_pauses_grow() -> None:
    """Failures in a row are answered by longer and longer pauses; the part is broken meanwhile, and says so."""
    part = Flaky(failures=100)
    supervised = Supervised(part, pauses=(0.0, 0.0, 3600.0))
    supervised.start()
    wait_until(lambda: supervised.restarts == 3)
    assert supervised.error == "broken in loop"
    supervised.stop()
    assert supervised.join(PATIENCE_S)  # nobody waits for the hour


def test_a_shutdown_that_fails_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the thread ends."""
    part = Flaky(failures=1, fail_in="shutdown")
    supervised = Supervised(part)
    supervised.start()
    assert part.looped.wait(PATIENCE_S)  # one that is asked to end before it began has nothing to shut down
    supervised.stop()
    assert supervised.join(PATIENCE_S)
    assert "did not end in order" in caplog.text


def test_a_part_can_be_started_anew() -> None:
    """As after a reload: ended, initialized again, and no restart is counted."""
    part = Flaky()
    supervised = Supervised(part)
    supervised.start()
    assert part.looped.wait(PATIENCE_S)
    supervised.again()
    wait_until(lambda: part.calls.count("initialize") == 2)
    assert supervised.restarts == 0 and supervised.error is None
    supervised.stop()
    assert supervised.join(PATIENCE_S)


def test_one_that_hangs_does_not_hold_up_the_end() -> None:
    """All are asked at once, and who does not come in time is left behind."""
    release = threading.Event()

    class Stuck(Flaky):
        name = "stuck"

        def loop(self, now: float) -> float:
            release.wait()
            return 1.0

    calm = Flaky()
    supervisor = Supervisor([Stuck(), calm])
    supervisor.start()
    assert calm.looped.wait(PATIENCE_S)
    assert set(supervisor.states()) == {"stuck", "flaky"}
    supervisor.stop(0.2)  # it returns, though one has not ended
    wait_until(lambda: calm.calls[-1] == "shutdown")
    release.set()
