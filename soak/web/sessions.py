"""Who signed in, and which page asks: a cookie and a form token, both made with a secret of this process alone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

COOKIE = "soak_session"
LASTS = 12 * 3600.0  # seconds that somebody stays signed in: a night
FORM_HEADER = "x-soak-form"


class Sessions:
    """Nothing is kept: a cookie says until when it is good, and its signature that we said so.

    A restart of the daemon signs everybody out, for the secret goes with the process.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._secret = secrets.token_bytes(32)
        self._wall = wall
        self.form = self._signed("form")  # what a page of ours sends with whatever changes something

    def cookie(self) -> str:
        """The value of a new cookie."""
        until = f"{self._wall() + LASTS:.0f}"
        return f"{until}.{self._signed(until)}"

    def is_cookie(self, value: str) -> bool:
        """Did we make it, and is it still good?"""
        until, _, signature = value.partition(".")
        return same(signature, self._signed(until)) and until.isdigit() and int(until) > self._wall()

    def is_form(self, value: str) -> bool:
        """Does it come from a page that we gave out?"""
        return same(value, self.form)

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def same(given: str, wanted: str) -> bool:
    """Compared in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
