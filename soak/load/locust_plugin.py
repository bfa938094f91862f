"""Runs inside Locust, beside the user's unmodified locustfile: our shape, our pacing, reports once a second.

Given to Locust as a second `-f` file. Knows nothing of soak: Locust may live in another environment. Each user does
one task a second, so that the number of users is the rate; with `unit = "users"` the users keep their own pace.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections import Counter
from typing import Any

import gevent
from locust import LoadTestShape, constant_pacing, events

LOAD = json.loads(os.environ["SOAK_LOAD_SHAPE"])
REPORT_S = 1.0


class SoakShape(LoadTestShape):  # type: ignore[misc]  # Locust has no types where mypy runs
    """The number of users that soak's shape wants now; ends with the loaded part."""

    def tick(self) -> tuple[int, float] | None:
        """Locust asks about once a second."""
        t = self.get_run_time() + LOAD["since"]
        if t >= LOAD["seconds"]:
            return None
        users = math.ceil(rate(t))
        return users, max(1.0, float(users))


def rate(t: float) -> float:
    """Requests/s or users at `t` seconds of the cycle."""
    for start, end, low, high in LOAD["pieces"]:
        if start <= t < end:
            return float(low + (high - low) * (t - start) / (end - start))
    return 0.0


class Counts:
    """What happened since the last report; bounded, whatever happens."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors: Counter[str] = Counter()
        self.took: Counter[str] = Counter()

    def report(self) -> None:
        """One JSON line on stdout."""
        if self.requests:
            line = {"requests": self.requests, "errors": self.errors, "response_ms": self.took}
            print(json.dumps(line), flush=True)
            self.requests = 0
            self.errors.clear()
            self.took.clear()


COUNTS = Counts()


@events.request.add_listener  # type: ignore[untyped-decorator]  # as above
def count(response_time: float | None, exception: object, response: Any = None, **_: object) -> None:
    """Locust: a request is over."""
    COUNTS.requests += 1
    if response_time is not None:
        COUNTS.took[f"{response_time:.3g}"] += 1
    if exception is not None:
        status = getattr(response, "status_code", 0) or 0
        COUNTS.errors[f"status_{status}" if status else type(exception).__name__] += 1


@events.init.add_listener  # type: ignore[untyped-decorator]  # as above
def begin(environment: Any, **_: object) -> None:
    """Locust: it begins. One task a second for each user, unless users are what was asked for."""
    if LOAD["unit"] != "users":
        for user in environment.user_classes:
            user.wait_time = constant_pacing(1.0)
    gevent.spawn(report_for_ever)
    # The loaded part ends with SIGTERM. Locust listens to it only once its shape is over, and would be killed by it.
    gevent.signal_handler(signal.SIGTERM, lambda: environment.runner.quit())


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # as above
def finish(**_: object) -> None:
    """Locust: it ends."""
    COUNTS.report()


def report_for_ever() -> None:
    """Once a second, by the clock."""
    due = time.monotonic()
    while True:
        due += REPORT_S
        gevent.sleep(max(0.0, due - time.monotonic()))
        COUNTS.report()
