"""Backing off, with the time handed in: 1, 2, 4 ... 30 s, one probe after each wait."""

from __future__ import annotations

from soak.load.backoff import BackOff, Outage


def test_the_waits_double_up_to_thirty_seconds() -> None:
    """A target that is down is asked after 1, 2, 4, 8, 16, 30, 30 s."""
    backoff, now, waits = BackOff(), 100.0, []
    backoff.failed(now, "refused", hard=True)
    for _ in range(7):
        waits.append(backoff.until - now)
        assert not backoff.admit(backoff.until - 0.001)
        now = backoff.until
        assert backoff.admit(now)
        backoff.failed(now, "refused", hard=True)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_only_one_probe_goes_out_after_a_wait() -> None:
    """Until it is answered everything else is withheld."""
    backoff = BackOff()
    backoff.failed(0.0, "refused", hard=True)
    assert backoff.admit(1.0)
    assert not backoff.admit(1.0)
    backoff.succeeded(1.2)
    assert backoff.admit(1.2)


def test_an_outage_is_recorded_when_it_begins_and_when_it_ends() -> None:
    """First without an end, then with it; the waits begin anew after it."""
    backoff = BackOff()
    backoff.failed(5.0, "refused", hard=True)
    assert backoff.news() == [Outage(5.0, None, "refused")]
    assert backoff.admit(6.0)
    backoff.succeeded(6.5)
    assert backoff.news() == [Outage(5.0, 6.5, "refused")]
    assert backoff.news() == []
    backoff.failed(9.0, "refused", hard=True)
    assert backoff.until == 10.0


def test_single_failures_are_no_outage() -> None:
    """Two in a row are not, three are; an answer in between starts the count again."""
    backoff = BackOff()
    for now in (1.0, 2.0):
        backoff.failed(now, "timeout")
    backoff.succeeded(2.5)
    for now in (3.0, 4.0):
        backoff.failed(now, "timeout")
    assert not backoff.active
    backoff.failed(5.0, "timeout")
    assert backoff.active


def test_a_server_that_names_its_time_gets_it() -> None:
    """Retry-After: 7 is a wait of 7 s at once; more than five minutes is cut to that; less than our own step is not."""
    backoff = BackOff()
    backoff.failed(0.0, "status 429", retry_after=7.0)
    assert (backoff.active, backoff.until) == (True, 7.0)
    backoff.admit(7.0)
    backoff.failed(7.0, "status 429", retry_after=86_400.0)
    assert backoff.until == 307.0
    backoff.admit(307.0)
    backoff.failed(307.0, "status 429", retry_after=0.0)
    assert backoff.until == 311.0


def test_late_failures_of_older_requests_do_not_prolong_the_wait() -> None:
    """A thousand that were in flight when the target went down count as one."""
    backoff = BackOff()
    for _ in range(1000):
        backoff.failed(1.0, "reset", hard=True)
    assert backoff.until == 2.0


def test_a_probe_that_we_ended_ourselves_makes_room_for_the_next() -> None:
    """Otherwise the outage would never end."""
    backoff = BackOff()
    backoff.failed(0.0, "refused", hard=True)
    assert backoff.admit(1.0)
    backoff.gave_up()
    assert backoff.admit(1.5)
