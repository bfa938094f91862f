"""A real SQLite store for hand-made runs; each test looks at runs of its own, so one store does for all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from soak_storage import Store, open_store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in a folder of its own."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'soak.db'}") as opened:
        yield opened
