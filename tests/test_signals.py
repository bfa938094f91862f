"""Stopping: the first signal sets a flag, the second is now, and handlers are given back."""

from __future__ import annotations

import os
import signal

import pytest

from soak.signals import StopSignals


def test_the_first_signal_is_remembered_and_the_second_raises() -> None:
    """SIGTERM once asks; SIGTERM twice insists."""
    with StopSignals() as signals:
        assert not signals.received
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_handlers_are_given_back() -> None:
    """Whoever had the signals before has them afterwards."""
    before = signal.getsignal(signal.SIGINT)
    with StopSignals():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
