"""Streams: what SSE and WebSocket scenarios have in common, from the head of the answer to the last message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.load.single import Single, Singles
from soak.load.validate import StreamCheck

if TYPE_CHECKING:
    from soak.load.accounts import Job


class Stream(Single):
    """Lasts for `duration` or until `messages` have come; an abandoned one until its moment to leave has come.

    It lands when the head of its answer arrives, and is over when it has been read to its planned end. Messages are
    checked as they come and forgotten.
    """

    __slots__ = ("_last", "abandoning", "accepted", "check")

    def __init__(self, group: Singles, job: Job, abandon: bool) -> None:
        scenario = group.scenario
        self.check = StreamCheck(group.sequence, scenario.validate)
        self.abandoning = abandon
        self.accepted = False
        self._last = 0.0
        super().__init__(group, job)
        self.gather = group.gather

    # What a subclass calls -----------------------------------------------------------------------------------------

    def accept(self, status: int) -> None:
        """The head of the answer arrived."""
        scenario, accounts = self.group.scenario, self.group.accounts
        good = self.welcome(status)
        if good and self.abandoning:
            self.accepted = True
            self.plan_to_leave()
            return
        refused_as_planned = not good and self.group.refused()
        expected = good or refused_as_planned
        accounts.answered(self.job, scenario, status, self.retry_after, good=expected, moment=self.moment)
        if not good:
            if self.leave():
                accounts.end(self.job, refused_as_planned)
            return
        self.accepted = True
        self.stop_timer()
        if scenario.duration is not None:
            self.after(scenario.duration, self.finish)

    def message(self, data: bytes) -> None:
        """A message arrived."""
        now = self.moment
        tally = self.job.tally
        if self.check.messages:
            tally.waited(now - self._last)
            if now == self._last:  # two messages in one go: so close together that they are to be read one by one
                self.alone()
        else:
            tally.first_message.record(now - self.group.accounts.zero - self.job.intended)
        self._last = now
        self.check.saw(data)
        if self.abandoning:
            self.leave_after(data)
        elif self.check.messages == self.group.scenario.messages:
            self.finish()

    def finish(self, expected: int | None = None) -> None:
        """The stream has come to its planned end; `expected` messages had been announced when the server ended it."""
        if not self.leave(orderly=True):
            return
        results = self.check.results(expected)
        broken = self.check.broken(results)
        tally = self.job.tally
        for name, count in results.items():
            tally.check(name, count)
        for kind in broken:
            tally.error(kind)
        self.group.accounts.end(self.job, not broken)

    # Abandoning ----------------------------------------------------------------------------------------------------

    def plan_to_leave(self) -> None:
        """The stream was accepted; a websocket with `hold` and no `until` counts from here."""

    def leave_after(self, data: bytes) -> None:
        """Leave after the first message, unless the scenario names another moment."""
        if self.group.scenario.hold is None:
            self.abandon()

    def abandon(self) -> None:
        """Go away in the middle of the stream."""
        answered = self.answered
        if self.leave():
            self.group.accounts.faulted(self.job, "abandon", answered=answered)

    # ---------------------------------------------------------------------------------------------------------------

    def welcome(self, status: int) -> bool:
        """Did the server accept the stream?"""
        return self.group.scenario.accepts(status)

    def rest(self) -> None:
        """The loaded part of the cycle is over, and so is the stream."""
        if self.abandoning:
            self.abandon()
        elif self.accepted:
            self.finish()
        else:
            super().rest()

    def broke(self, kind: str) -> None:
        """The connection broke before the stream's planned end."""
        if self.ended:
            return
        if self.accepted and not self.abandoning:
            for name, count in self.check.results(self.group.scenario.messages).items():
                self.job.tally.check(name, count)
        super().broke(kind)
