"""Backing off from a target that is down or pushes back: 1, 2, 4 ... 30 s, each outage recorded.

Pure: the caller hands in the time. While an outage lasts, nothing is sent but one probe at the end of each wait; the
first answer ends it. What is due meanwhile is counted as withheld, never fired in a burst afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 300.0  # a server may ask for more patience than our own steps have, but not for the night
SOFT_FAILURES = 3  # in a row: one slow or refused request in a healthy stream is an error, not an outage


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which load was withheld: seconds since the run began; `end` is None while it lasts."""

    start: float
    end: float | None
    why: str


class BackOff:
    """Decides whether a request may go out; is told how each one ended."""

    def __init__(self, first: float = FIRST_WAIT, longest: float = LONGEST_WAIT) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0
        self._level = 0
        self._probing = False
        self._started = 0.0
        self._why = ""
        self._news: list[Outage] = []
        self.active = False
        self.troubled = False  # something failed since the last answer: only then does an answer mean anything
        self.until = 0.0

    def admit(self, now: float) -> bool:
        """May a request be sent at `now`? During an outage only the one probe after each wait may."""
        if not self.active:
            return True
        if now < self.until or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self, now: float) -> None:
        """The target answered."""
        self._failures = 0
        self.troubled = False
        if self.active:
            self._news.append(Outage(self._started, now, self._why))
            self.active = self._probing = False
            self._level = 0

    def failed(self, now: float, why: str, *, hard: bool = False, retry_after: float | None = None) -> None:
        """The target did not answer or pushed back; `hard` ones (refused, Retry-After) begin an outage at once."""
        self._failures += 1
        self.troubled = True
        if self.active:
            if self._probing:
                self._probing = False
                self._wait(now, retry_after)
        elif hard or retry_after is not None or self._failures >= SOFT_FAILURES:
            self.active = True
            self._started, self._why = now, why
            self._news.append(Outage(now, None, why))
            self._wait(now, retry_after)

    def gave_up(self) -> None:
        """The request ended for reasons of our own; if it was the probe, the next one takes its place."""
        self._probing = False

    def news(self) -> list[Outage]:
        """Outages that began or ended since the last call."""
        news, self._news = self._news, []
        return news

    def _wait(self, now: float, retry_after: float | None) -> None:
        wait = min(self._first * 2**self._level, self._longest)
        self._level = min(self._level + 1, 30)
        if retry_after is not None:
            wait = max(wait, min(retry_after, LONGEST_RETRY_AFTER))
        self.until = now + wait
