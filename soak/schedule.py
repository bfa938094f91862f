"""Starts soaks when they are due, through APScheduler; what is due is kept in the store, so that a restart knows it.

The rule for a start that was missed (the daemon was down, the machine asleep): it is made up for when it is late by at
most half the time to the one after it and by at most an hour, else it is skipped; both are said. Several missed starts
are one. A start that comes while a soak is still going on is skipped.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job as ApJob
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.base import STATE_STOPPED, BaseScheduler

from soak.clocktimes import described, grace_of, trigger_of
from soak.config import Schedule
from soak_storage import StoreUnavailable
from soak_storage.jobs import Job, Jobs

LOG = logging.getLogger(__name__)
LOOK_EVERY = 5.0  # seconds at most between two looks at the wall clock, which may be moved


@dataclass(frozen=True, slots=True)
class Order:
    """A soak is to be started: for which job, and when it was due (wall time)."""

    job: str
    due: float


class SchedulePart:
    """A part of the daemon: orders soaks at their times; the daemon takes the orders and says when each is done."""

    name = "schedule"

    def __init__(self, jobs: Jobs, job: str, schedule: Schedule, *, wall: Callable[[], float] = time.time) -> None:
        self._jobs = jobs
        self._job = job
        self._schedule = schedule
        self._wall = wall
        self._orders = _Orders()
        self._scheduler: _Scheduler | None = None
        self._lock = threading.Lock()

    def initialize(self) -> None:
        """Begin with what the store says was due, if the schedule is still the same."""
        scheduler = _Scheduler(timezone=UTC)
        scheduler.add_jobstore(_StoredJobs(self._jobs), "default")
        scheduler.add_executor(self._orders, "default")
        scheduler.add_listener(_say_skipped, EVENT_JOB_MAX_INSTANCES)
        scheduler.start()
        self._scheduler = scheduler
        self._add()

    def loop(self, now: float) -> float:
        """Order what is due."""
        assert self._scheduler is not None
        wait = self._scheduler.process()
        return LOOK_EVERY if wait is None else min(max(wait, 0.01), LOOK_EVERY)

    def shutdown(self) -> None:
        """Order nothing any more; what is due stays in the store."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None and scheduler.state != STATE_STOPPED:
            scheduler.shutdown(wait=False)

    def use(self, schedule: Schedule) -> None:
        """Go by another schedule from now on. StoreUnavailable: it stays with the one before."""
        with self._lock:
            before, self._schedule = self._schedule, schedule
            if schedule != before and self._scheduler is not None:
                try:
                    self._add()
                except StoreUnavailable:
                    self._schedule = before
                    raise

    @property
    def next_start(self) -> float | None:
        """Wall time of the next start."""
        job = self._scheduler.get_job(self._job) if self._scheduler is not None else None
        return job.next_run_time.timestamp() if job is not None and job.next_run_time else None

    def take(self, timeout: float) -> Order | None:
        """The next order, waited for at most `timeout` seconds; one that comes too late is said and left out."""
        order = self._orders.take(timeout)
        if order is None:
            return None
        late = self._wall() - order.due
        grace = grace_of(trigger_of(self._schedule), datetime.fromtimestamp(order.due, UTC))
        if late > grace:
            LOG.warning("the start due at %s was missed by %.0f s and is skipped", stamp(order.due), late)
            self.done(order)
            return None
        if late > LOOK_EVERY + 1.0:
            LOG.warning("the start due at %s was missed by %.0f s and is made up for", stamp(order.due), late)
        return order

    def going_on(self, due: float) -> Order:
        """A soak that is no new one goes on: nothing is started meanwhile. `due` as it was, wall time."""
        self._orders.occupy(self._job)
        return Order(self._job, due)

    def done(self, order: Order, run_id: int | None = None) -> None:
        """The soak of this order has ended: the next may be ordered."""
        self._orders.done(order)
        try:
            for job in self._jobs.all():
                if job.name == order.job:
                    self._jobs.put(replace(job, last_due=order.due, last_run=run_id or job.last_run))
        except StoreUnavailable as error:  # the starts to come must not depend on it
            LOG.warning("that the soak has ended could not be stored: %s", error.message)

    def _add(self) -> None:
        assert self._scheduler is not None
        trigger, text = trigger_of(self._schedule), described(self._schedule)
        stored = next((job for job in self._jobs.all() if job.name == self._job), None)
        now = datetime.fromtimestamp(self._wall(), UTC)
        if stored is not None and stored.trigger == text and stored.next_due is not None:
            due = datetime.fromtimestamp(stored.next_due, UTC)
        elif self._schedule.every is not None:
            due = now  # an interval begins with the first start
        else:
            due = trigger.get_next_fire_time(None, now)
        self._scheduler.add_job(
            _nothing,
            trigger,
            id=self._job,
            name=text,
            next_run_time=due,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,  # `take` decides when the start is taken
            replace_existing=True,
        )
        LOG.info("%s: next start %s", text, stamp(due.timestamp()))


def stamp(wall: float) -> str:
    """A wall time for people: UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))


def _nothing() -> None:
    """What APScheduler would call; the daemon's main thread does the work when it takes the order."""


def _say_skipped(event: Any) -> None:
    due = ", ".join(stamp(time.timestamp()) for time in event.scheduled_run_times)
    LOG.warning("the start due at %s is skipped: a soak is still going on", due)


class _Scheduler(BaseScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Looks for due jobs when the part's loop says so: no thread of its own, and a moved wall clock is noticed."""

    def wakeup(self) -> None:
        """The part's loop comes anyway."""

    def shutdown(self, wait: bool = True) -> None:
        """Order nothing any more."""
        super().shutdown(wait)

    def process(self) -> float | None:
        """Order what is due; seconds until the next is."""
        wait: float | None = self._process_jobs()
        return wait


class _Orders(BaseExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Runs nothing: hands what is due to the daemon's main thread, one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def _do_submit_job(self, job: ApJob, run_times: list[datetime]) -> None:
        self._queue.put(Order(job.id, run_times[-1].timestamp()))

    def take(self, timeout: float) -> Order | None:
        """The next order; None when none came within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def occupy(self, job: str) -> None:
        """An instance runs that was not ordered here; `done` ends it, too."""
        self._instances[job] += 1

    def done(self, order: Order) -> None:
        """Its instance has ended."""
        self._run_job_success(order.job, [])


class _StoredJobs(MemoryJobStore):  # type: ignore[misc]  # APScheduler has no types
    """Keeps the next due time of each job in the store; the configuration is the truth for everything else."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._stored = jobs

    def add_job(self, job: ApJob) -> None:
        """Remember it."""
        super().add_job(job)
        self._keep(job)

    def update_job(self, job: ApJob) -> None:
        """Remember when it is due next."""
        super().update_job(job)
        self._keep(job)

    def _keep(self, job: ApJob) -> None:
        try:
            before = next((stored for stored in self._stored.all() if stored.name == job.id), None)
            row = before or Job("", job.id, job.name, None)
            self._stored.put(replace(row, trigger=job.name, next_due=job.next_run_time.timestamp()))
        except StoreUnavailable as error:  # the start itself must not depend on it
            LOG.warning("when the next soak is due could not be stored: %s", error.message)
