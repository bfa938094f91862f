"""The [[check]] entries, each asked once: the dependencies that have to be there before any load."""

from __future__ import annotations

from urllib.parse import urlsplit

from soak.checks import ask
from soak.config import Check, Config
from soak.doctor.finding import Finding

CHECKS = {"NAME": "each [[check]] under its own name, asked once"}
_MEND = "Start it, or mend its host, port or url in [[check]]."


def examine(config: Config) -> list[Finding]:
    """One finding for each check; those of a target that soak itself will start have to wait."""
    return [_finding(check, config) for check in config.checks]


def _finding(check: Check, config: Config) -> Finding:
    if config.target.command and _is_of_target(check, config.target.url):
        return Finding("checks", check.name, "skip", f"{check.kind}: the target itself, which does not run yet")
    outcome = ask(check)
    if outcome.ok:
        return Finding("checks", check.name, "ok", f"{check.kind}: {outcome.ms:.0f} ms")
    return Finding("checks", check.name, "fail", f"{check.kind}: {outcome.why}", _MEND)


def _is_of_target(check: Check, url: str | None) -> bool:
    """Whether a check asks the address that the target will listen on."""
    if url is None:
        return False
    place = urlsplit(url)
    if check.kind == "http":
        return urlsplit(check.url or "").netloc == place.netloc
    return check.kind == "tcp" and (check.host, check.port) == (place.hostname, place.port)
