"""Receivers in the tests' own process: a machine that stands still holds them up as well."""

from __future__ import annotations

import pytest

from soak.alerts import channels
from tests.common import PATIENCE_S


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is late."""
    monkeypatch.setattr(channels, "TIMEOUT", PATIENCE_S)
    monkeypatch.setattr(channels, "COMMAND_TIMEOUT", PATIENCE_S)
