"""The heart of a load worker: fires what is due when it is due, and counts how it ended.

schedule (heap of absolute times) -> alarm -> runner of the scenario -> connection -> tally -> delta once a second
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Sequence
from itertools import count
from time import monotonic, sleep

from soak.load import paced
from soak.load.accounts import Accounts, Job, Waiting
from soak.load.arrivals import Arrivals, Mix, Poisson, Regular
from soak.load.dial import Dialler
from soak.load.external import ExternalRunner
from soak.load.gather import POSSIBLE, Moderated, Prompt
from soak.load.plan import LoadPlan
from soak.load.pool import make_pool
from soak.load.rounds import Rounds
from soak.load.runners import Runner, StreamRunner, make_runner
from soak.load.shapes import Shape
from soak.load.single import Singles
from soak.load.support import STREAM_KINDS
from soak.load.tally import LoadDelta, Tallies, Tally
from soak.load.timer import Alarm, alarm, precise
from soak.load.turns import Turns
from soak.load.users import Users
from soak.load.wire import Endpoint

SWEEP_S = 0.25  # how often timeouts are looked for
STAY_S = 0.2  # how long the event loop waits for its turn at most where only plain requests are sent
CATCH_UP_S = 1.0  # a worker that begins later than this counts what it missed as dropped instead of firing a burst


class Engine:
    """One worker's share of a load plan; everything happens in its event loop, nothing in it blocks."""

    def __init__(self, plan: LoadPlan, zero: float, worker: int = 0, since: float = 0.0) -> None:
        self.plan = plan
        self.zero = zero
        self.worker = worker
        self.since = since
        self.endpoint = Endpoint.parse(plan.url)
        self.tallies = Tallies(tuple(scenario.name for scenario in plan.scenarios), since)
        self.done = asyncio.Event()
        self.resumed = since
        self.most_in_flight = max(1, plan.max_in_flight // plan.workers)
        self.dialler = Dialler(self.endpoint)
        self.accounts = Accounts(zero, self.dialler.refresh)
        self.pool = make_pool(self)
        together = POSSIBLE and not self.endpoint.tls and any(one.kind in STREAM_KINDS for one in plan.scenarios)
        self.streams = Moderated() if together else None
        self.runners: list[Runner] = [make_runner(self, scenario) for scenario in plan.scenarios]
        self._schedule: list[tuple[float, int, Callable[[float], float | None]]] = []
        self._order = count()
        self._users: list[Users] = []
        self._current: list[Tally] = []  # of the cycle from `_from` to `_until`
        self._from = self._until = -math.inf
        self._alarm: Alarm | None = None
        self._stays = plan.plain and plan.open
        self._leave = 0.0  # when the event loop has waited long enough
        self._sweeper: asyncio.TimerHandle | None = None

    # Life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Drive the load until the last cycle ends or `stop` is called."""
        loop = asyncio.get_running_loop()
        if self._stays:
            precise()
        await self.dialler.resolve()
        self._plan_events()
        self._alarm = alarm(loop, self._ring)
        self._sweep()
        self._ring()
        try:
            await self.done.wait()
        finally:
            self._alarm.close()
            if self._sweeper is not None:
                self._sweeper.cancel()
            self._collect()
            self._rest()
            self.pool.finish()
            await asyncio.gather(*(runner.finish() for runner in self.runners))
            if self.streams is not None:
                self.streams.close()
            await asyncio.sleep(0)  # lets closed transports go

    def stop(self) -> None:
        """End the load now; what is in flight is closed."""
        self.done.set()

    def now(self) -> float:
        """Seconds since the run began."""
        return monotonic() - self.zero

    def cycle(self, now: float) -> int:
        """Number of the cycle that runs at `now`, within those planned."""
        return min(max(int(now // self.plan.cycle), 0), self.plan.cycles - 1)

    def drain(self) -> list[LoadDelta]:
        """The counts since the last call."""
        now = self.now()
        self._until = -math.inf  # tallies of cycles that are over go
        return self.tallies.drain(now, self.cycle(now), self.accounts.backoff.news())

    # What is due ---------------------------------------------------------------------------------------------------

    def _plan_events(self) -> None:
        plan = self.plan
        shared = [scenario.share for scenario in plan.scenarios]
        if sum(shared) > 0:
            self._plan_stream(plan.shape(), shared, plan.closed)
        for index, scenario in enumerate(plan.scenarios):
            runner = self.runners[index]
            if isinstance(runner, ExternalRunner):
                self._plan_cycles(runner.begin_cycle, late=True)
            elif scenario.streams is not None:
                self._plan_cycles(Rounds(self, index).begin_cycle, late=False)
            elif scenario.share == 0 and scenario.weight is None:
                alone = [float(other == index) for other in range(len(shared))]
                self._plan_stream(plan.own_shape(scenario), alone, scenario.users is not None)
        gather = self.pool.gather
        nothing_else = plan.plain and not self.endpoint.tls and len(self._users) == 1 and not self._users[0].pace
        if nothing_else and isinstance(gather, Prompt):
            gather.turns = Turns(self, self._users[0]).run
        first = int(max(self.since, 0.0) // plan.cycle)
        self.at(first * plan.cycle + plan.cycle - plan.quiet, self._quiet)
        self.at(plan.length, self._finish)

    def _plan_cycles(self, begin_cycle: Callable[[float], float], *, late: bool) -> None:
        """What begins with each cycle; one worker does it. `late`: also in the middle of one."""
        plan, since = self.plan, max(self.since, 0.0)
        if self.worker or plan.profile == "none":
            return
        if late and since % plan.cycle < plan.cycle - plan.quiet:
            self.at(since, begin_cycle)
        else:
            self.at(-(-since // plan.cycle) * plan.cycle, begin_cycle)

    def group(self, index: int) -> Singles:
        """The live streams of a stream scenario."""
        runner = self.runners[index]
        assert isinstance(runner, StreamRunner)
        return runner.group

    def _plan_stream(self, shape: Shape, weights: list[float], closed: bool) -> None:
        mix = Mix(weights, [scenario.faults for scenario in self.plan.scenarios])
        if closed:
            self._users.append(Users(self, shape, mix))
            self.at(max(self.since, 0.0), self._users[-1].adjust)
            return
        workers = self.plan.workers
        arrivals: Arrivals
        if self.plan.arrivals == "poisson":
            arrivals = Poisson(shape, self.worker, workers, self.since, self.plan.seed)
        else:
            arrivals = Regular(shape, self.worker, workers, self.since)
        stream = paced.Paced(self, arrivals, mix)
        self.at(stream.time, stream.due)

    def at(self, when: float, call: Callable[[float], float | None]) -> None:
        """Have `call(when)` called at `when`; it gives the next time, or None."""
        if when <= self.plan.length:
            heapq.heappush(self._schedule, (when, next(self._order), call))
            if self._alarm is not None and self._schedule[0][2] is call:
                self._alarm.set(self.zero + when)

    def _ring(self) -> None:
        """Do everything that is due, in the order of its times, then sleep until the next.

        While one request closely follows the other we stay here: to sleep by ourselves, and to read the answers when
        the next request was sent, is less work than to wake up through the loop for each. It gets its turn all the
        same.
        """
        self._leave = self.now() + STAY_S
        schedule, pool, gather = self._schedule, self.pool, self.pool.gather
        while True:
            while schedule and schedule[0][0] <= self.now() and not self.done.is_set():
                when, order, call = schedule[0]
                following = call(when)
                if following is None or following >= self.plan.length:
                    heapq.heappop(schedule)
                else:
                    heapq.heapreplace(schedule, (following, order, call))
            if not schedule or self.done.is_set():
                return
            if gather is not None:
                gather.collect()
            now = self.now()
            wait = schedule[0][0] - now
            near = wait < paced.NEAR_S and pool.patient(now)
            if not (near and self._stays and schedule[0][0] < self._leave):
                break
            if wait > 0:
                sleep(wait)
        if gather is not None:
            gather.hold(near and not gather.full)
        if self._alarm is not None:
            self._alarm.set(self.zero + schedule[0][0])

    def _collect(self) -> None:
        """Read the answers that have waited for it."""
        if self.pool.gather is not None:
            self.pool.gather.collect()

    def _quiet(self, when: float) -> float:
        self._rest()
        self.resumed = when + self.plan.quiet
        return when + self.plan.cycle

    def _finish(self, when: float) -> None:
        self.done.set()

    def _rest(self) -> None:
        """The load of this cycle is over: users go, streams end, and our connections close unless they are kept."""
        for users in self._users:
            users.rest()
        for runner in self.runners:
            runner.rest()
        self.pool.rest(close=self.plan.connections == "close-in-quiet")

    def _sweep(self) -> None:
        if self.pool.gather is not None:
            self.pool.gather.collect_all()  # before anything is called late: after a stall that is a lot
        self.pool.sweep(self.now())
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    # One request ---------------------------------------------------------------------------------------------------

    def arrive(
        self,
        intended: float,
        scenario: int,
        fault: str | None,
        user: Waiting | None = None,
        now: float | None = None,
    ) -> bool:
        """A request of `scenario` was due at `intended`: count it and send it; False when that could not be.

        `now` when the caller has looked at the clock already.
        """
        if not self._from <= intended < self._until:
            self._turn_to(intended)
        tally = self._current[scenario]
        tally.due += 1
        if now is None:
            now = monotonic() - self.zero
        accounts = self.accounts
        missed = now - intended > CATCH_UP_S and intended < self.since + CATCH_UP_S
        if accounts.in_flight >= self.most_in_flight:
            self._collect()  # some may have been answered
        if missed or accounts.in_flight >= self.most_in_flight:
            tally.dropped += 1
            return False
        if accounts.backoff.active and not accounts.backoff.admit(now):
            tally.withheld += 1
            return False
        tally.sent += 1
        tally.open += 1
        if user is None:  # a user's request is due when it is sent: it cannot be late
            tally.late.append(now - intended)
        accounts.in_flight += 1
        self.runners[scenario].start(Job(tally, intended, now, user), fault)
        return True

    def undisturbed(self, when: float) -> float:
        """Until when nothing but plain requests, of one cycle, is due; 0.0 where `arrive` has to be asked for `when`.

        Seconds since the run began, as `when`.
        """
        now = self.now()
        if not (self._stays and self._calm(now) and now - when <= CATCH_UP_S and self.pool.patient(now)):
            return 0.0
        if not self._from <= when < self._until:
            self._turn_to(when)
        others = min((entry[0] for entry in self._schedule[1:3]), default=math.inf)
        return min(others, self._leave, self._until, self.plan.length)

    def alone(self, now: float) -> float:
        """Until when there is nothing but answers to look after, all of one cycle; 0.0 where there is more to do now.

        Seconds since the run began, as `now`.
        """
        if not self._calm(now):
            return 0.0
        if not self._from <= now < self._until:
            self._turn_to(now)
        following = self._schedule[0][0] if self._schedule else math.inf
        return min(following, now + STAY_S, self._until, self.plan.length)

    def _calm(self, now: float) -> bool:
        """Load is due, and the target bears it."""
        return not (self.accounts.backoff.active or self.accounts.backoff.troubled) and now >= self.resumed

    def turned(self, landed: Sequence[int], sent: Sequence[int], took: Sequence[float]) -> list[Tally]:
        """Count what landed and was sent (`Accounts.turned`) in the cycle that `alone` was of; its tallies."""
        self.accounts.turned(self._current, landed, sent, took)
        return self._current

    def sent(self, intended: float, scenario: int, fired: float) -> Job:
        """Count a request that was sent at `fired` without asking `arrive`, in the cycle that `undisturbed` was of."""
        tally = self._current[scenario]
        tally.due += 1
        tally.sent += 1
        tally.open += 1
        tally.late.append(fired - intended)
        self.accounts.in_flight += 1
        return Job(tally, intended, fired)

    def _turn_to(self, intended: float) -> None:
        """Have the tallies of the cycle of `intended` at hand."""
        plan, cycle = self.plan, self.cycle(intended)
        self._current = [self.tallies.of(cycle, scenario) for scenario in range(len(plan.scenarios))]
        self._from = cycle * plan.cycle if cycle else -math.inf
        self._until = (cycle + 1) * plan.cycle if cycle + 1 < plan.cycles else math.inf
