"""Orders. LEAK=1: every tenth order starts a reminder thread that waits for an hour and is never cancelled."""

import itertools
import os
import threading

from django.http import HttpRequest, HttpResponse, JsonResponse

LEAK = os.environ.get("LEAK") == "1"
NUMBERS = itertools.count(1)


def remind(order: int) -> None:
    """Where a customer would be written to."""


def schedule_reminder(order: int) -> None:
    """A thread of its own for each reminder."""
    timer = threading.Timer(3600, remind, [order])
    timer.daemon = True
    timer.start()


def orders(request: HttpRequest) -> HttpResponse:
    """Takes an order."""
    order = next(NUMBERS)
    if LEAK and order % 10 == 0:
        schedule_reminder(order)
    return JsonResponse({"order": order})


def health(request: HttpRequest) -> HttpResponse:
    """Whether it is up."""
    return HttpResponse("ok")
