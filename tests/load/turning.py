"""What the tests of turns share: a count of them, a plan, and what has to add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from soak.load import LoadPlan, ScenarioPlan, turns
from soak.load.accounts import Accounts
from soak.load.compiled import LIBRARY
from soak.load.engine import Engine
from soak.load.gather import POSSIBLE
from soak.load.tally import Tally
from soak.load.turns import Turns
from tests.common import PATIENCE_S
from tests.load.conftest import Outcome, WireServer

Serve = Callable[..., WireServer]
COMPILED = pytest.mark.skipif(not (POSSIBLE and LIBRARY.exists()), reason="nothing was compiled here: no C compiler")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MANY = 400  # requests: enough that most of them are in turns, whatever comes between
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


def noting_turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How many turns were taken; while they are, no connection is lost sight of."""
    noted = Counter[str]()
    turned, run, alone = Accounts.turned, Turns.run, Engine.alone

    def count(accounts: Accounts, tallies: Sequence[Tally], landed: Sequence[int], *rest: Any) -> None:
        noted["turns"] += len(landed)
        turned(accounts, tallies, landed, *rest)

    def look(some: Turns) -> bool:
        noted["tries"] += 1
        went = run(some)
        pool: Any = some._engine.pool
        noted["lost"] += sum(one.job is None and one not in pool.idle for one in pool._all)
        return went

    def limit(engine: Engine, now: float) -> float:
        until = alone(engine, now)
        noted["too long"] += until > max(min(engine._schedule[0][0], engine._until), 0)
        noted["in trouble"] += bool(getattr(engine.pool, "opening", None))
        noted["in trouble"] += until > 0 and engine.accounts.backoff.troubled
        return until

    monkeypatch.setattr(Engine, "alone", limit)
    monkeypatch.setattr(Accounts, "turned", count)
    monkeypatch.setattr(Turns, "run", look)
    monkeypatch.setattr(turns, "LEAST_S", 0.0)
    monkeypatch.setattr(turns, "ENOUGH", 1)
    monkeypatch.setattr(turns, "CREDIT", 1000)
    yield noted
    assert (noted["too long"], noted["in trouble"], noted["lost"]) == (0, 0, 0)


def plan(url: str, *scenarios: ScenarioPlan, **values: Any) -> LoadPlan:
    """Four users, in one cycle that is longer than any test."""
    settings = {"profile": "constant", "users": 4, "cycle": 3 * PATIENCE_S, "quiet": 1.0, "timeout": PATIENCE_S}
    return LoadPlan(url, scenarios or (ScenarioPlan(),), **{"cycles": 1, **settings, **values})


def landed(count: int) -> Callable[[Outcome], bool]:
    """So many have landed."""
    return lambda so_far: so_far.total("landed") >= count


def whole(outcome: Outcome, timeouts: int = 0) -> None:
    """Each is counted once: as due, as sent, and how it ended; what was cut off at the end is no error."""
    sent = outcome.total("sent")
    unanswered = sum(count for kind, count in outcome.errors.items() if not kind.startswith("status_"))
    cut = outcome.counts("faulted")
    assert set(cut) <= {"cut_off"}
    assert outcome.total("due") == sent + outcome.total("withheld")
    assert sent == outcome.total("landed") + unanswered + cut.get("cut_off", 0)
    assert outcome.histogram("response").counts == outcome.histogram("service").counts
    assert outcome.histogram("response").count == outcome.total("landed") + timeouts
    assert outcome.histogram("lateness").count == 0
    last = {delta.scenario: delta.in_flight for delta in outcome.deltas}
    assert set(last.values()) == {0}
