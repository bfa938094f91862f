"""Probes of the user's own: polled from real servers, and the figures of states."""

from __future__ import annotations

import threading

import pytest

from soak.checks import Hours
from soak.config import Probe
from soak.states import Period, StateProbes, figures, periods_of, read_probe
from soak_storage.records import EventRow, Record, SampleRow
from tests.checks.servers import http_server, redis_server
from tests.common import PATIENCE_S, wait_until

ALWAYS = Hours(cycle=1e9, quiet=0.0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gets no turn for some seconds is not what these tests are about."""
    monkeypatch.setattr("soak.states.TIMEOUT", PATIENCE_S)


def test_a_probe_reads_json_and_redis() -> None:
    """The field of an answer, the value of a key, and None for a key that is not there."""
    with http_server() as server, redis_server({"breaker": "open"}) as place:
        server.body = b'{"breakers": [{"state": "half_open", "trips": 3}]}'
        url = f"{server.url}/breaker"
        assert read_probe(Probe("b", "state", url=url, field="$.breakers[0].state")) == "half_open"
        assert read_probe(Probe("t", "number", url=url, field="$.breakers[0].trips")) == 3
        assert read_probe(Probe("r", "state", url=f"redis://{place}", redis_key="breaker")) == "open"
        assert read_probe(Probe("r", "state", url=f"redis://{place}", redis_key="none")) is None


def polled(probes: StateProbes, now: float, count: int) -> list[Record]:
    """Records that the poll at `now` gives, waited for until there are `count`."""
    records: list[Record] = []
    wait_until(lambda: bool(records.extend(probes.loop(now)) or len(records) >= count))
    return records


def test_a_state_is_recorded_when_it_changes() -> None:
    """closed, closed, open: one event that ends where the other begins; polls that say the same add nothing."""
    with http_server() as server:
        server.body = b'{"state": "closed"}'
        probes = StateProbes([Probe("breaker", "state", url=server.url, field="$.state")], ALWAYS, 1.0)
        first = polled(probes, 0.0, 1)
        list(probes.loop(1.0))
        wait_until(lambda: len(server.seen) == 2)
        server.body = b'{"state": "open"}'
        changed = polled(probes, 2.0, 2)
        last = list(probes.finish(5.0))
    events = [event for event in [*first, *changed, *last] if isinstance(event, EventRow)]
    assert [(event.detail["state"], event.t0, event.t1) for event in events] == [
        ("closed", 0.0, None),
        ("closed", 0.0, 2.0),
        ("open", 2.0, None),
        ("open", 2.0, 5.0),
    ]
    stored = list({event.key: event for event in events}.values())  # as the store keeps them
    assert periods_of(stored, "breaker", 9.0) == [Period(0.0, 2.0, "closed"), Period(2.0, 5.0, "open")]


def test_the_next_look_is_always_ahead() -> None:
    """However long an answer takes, and though the silence has begun since a poll was due: nobody spins until then."""
    never = threading.Event()
    probe = Probe("queue", "number", url="http://127.0.0.1:1")
    stuck = StateProbes([probe], ALWAYS, 1.0, read=lambda _: never.wait())
    for now in (0.0, 0.2, 5.0):
        list(stuck.loop(now))
        assert now < stuck.due <= now + 0.05
    never.set()
    late = StateProbes([probe], Hours(cycle=60.0, quiet=20.0), 1.0, read=lambda _: 1)
    polled(late, 48.0, 1)
    assert list(late.loop(55.0)) == [] and late.due == 60.0  # due at 49 already


def test_a_number_is_a_series_and_a_failure_a_gap() -> None:
    """Samples with the name of the probe; an answer of 500 leaves a gap and not a zero."""
    with http_server() as server:
        server.body = b'{"depth": 7.5}'
        probes = StateProbes([Probe("queue", "number", url=server.url, field="$.depth")], ALWAYS, 1.0)
        assert polled(probes, 0.0, 1) == [SampleRow(0.0, "queue", "count", 7.5)]
        server.status = 500
        assert polled(probes, 1.0, 1) == [SampleRow(1.0, "queue", "count", None)]


def test_figures_of_states() -> None:
    """Closed 60 s, open 10, half-open 5, closed 25, open 20 to the end.

    Time in closed 85 s over 2 failures: MTBF 42.5 s; one repair was seen, of 15 s; 2 failures in 85 s are 84.7 an hour.
    """
    row = [("closed", 60.0), ("open", 10.0), ("half_open", 5.0), ("closed", 25.0), ("open", 20.0)]
    periods, t = [], 0.0
    for state, seconds in row:
        periods.append(Period(t, t + seconds, state))
        t += seconds
    found = figures(periods)
    assert found.transitions == 4
    assert found.time_in_state == {"closed": 85.0, "open": 30.0, "half_open": 5.0}
    assert (found.failures, found.mtbf, found.mttr) == (2, 42.5, 15.0)
    assert found.failure_rate == pytest.approx(84.7, abs=0.01)


def test_figures_that_begin_in_an_outage() -> None:
    """Open for 10 s at first, then closed: when it failed was not seen, so there is nothing to average."""
    found = figures([Period(0.0, 10.0, "open"), Period(10.0, 30.0, "closed")], normal="closed")
    assert (found.failures, found.mtbf, found.mttr) == (0, None, None)
    assert figures([]).transitions == 0
