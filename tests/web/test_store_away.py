"""The store is away for a while, and the pages with it: that is said, and what listens goes on afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.standing import Patience
from soak.web import feed
from soak.web.hub import Message
from soak_storage import Store, StoreUnavailable, open_store
from tests.common import wait_until
from tests.service.test_store_away import Away
from tests.web.conftest import Serve
from tests.web.test_api import form_of
from tests.web.test_events import listening


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Store]:
    """A store of this test's own: nobody else misses it."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as opened:
        yield opened


@pytest.fixture
def away(mine: Store) -> Away:
    """Takes that store away."""
    return Away(mine)


@pytest.mark.parametrize("path", ["/api/runs", "/api/findings", "/api/alerts"])
def test_a_page_whose_store_is_away_says_so_until_it_is_back(mine: Store, away: Away, serve: Serve, path: str) -> None:
    """503 with the reason in words, and not that of a fault; no such answer is kept for the next one who asks."""
    served = serve(behind=mine)
    away.on = True
    status, _, body = served.ask(path)
    assert status == 503
    assert "the server closed the connection" in json.loads(body)["error"]
    assert served.ask("/")[0] == 200, "what needs no store is there all the time"
    away.on = False
    assert served.ask(path)[0] == 200


def test_who_comes_meanwhile_is_told_so(mine: Store, away: Away, serve: Serve) -> None:
    """To listen and to acknowledge are refused with 503 and words, as a page is, and not as a fault of soak."""
    served = serve(behind=mine)
    served.headers = {"x-soak-form": form_of(served.ask("/")[2])}
    away.on = True
    for answer in (served.ask("/api/events"), served.ask("/api/alerts/1/acknowledge", "POST", "{}")):
        assert answer[0] == 503 and b"the server closed the connection" in answer[2]


def test_who_listens_meanwhile_is_told_what_is_new_afterwards(
    mine: Store, away: Away, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks for news fail, three at least: the stream stays open, and says what happened once one goes well again."""
    monkeypatch.setattr(feed, "EVERY", 0.05)
    served = serve(behind=mine)
    assert served.part.api is not None
    news, failed = served.part.api._feed._news, []
    look = news.look

    def noting(watched: set[int]) -> list[Message]:
        try:
            return look(watched)
        except StoreUnavailable as error:
            failed.append(error)
            raise

    monkeypatch.setattr(news, "look", noting)
    with listening(served) as stream:
        wait_until(lambda: bool(stream.told("status")))
        away.on = True
        wait_until(lambda: failed)
        served.standing.begin(Patience())
        wait_until(lambda: len(failed) > 2)
        assert stream.told("status")[-1]["phase"] == "idle" and not stream.ended
        away.on = False
        wait_until(lambda: stream.told("status")[-1]["phase"] == "starting")
