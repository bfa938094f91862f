"""What runs beside the sampling of a run: health checks, faults, and probes of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from soak.checks import Checks, Hours, preflight
from soak.checks.hooks import hooks
from soak.faults import Faults, Victims
from soak.parts.base import Part, Run
from soak.parts.samples import SamplePart
from soak.parts.target import TargetPart
from soak.states import StateProbes
from soak_storage.records import Record


class Beside(Protocol):
    """Something with moments of its own that yields records and never waits."""

    def initialize(self) -> None:
        """Start."""

    @property
    def due(self) -> float:
        """When `loop` wants to be called, in seconds of run time."""

    def loop(self, now: float) -> Iterator[Record]:
        """Do what is due."""

    def finish(self, now: float) -> Iterator[Record]:
        """The end of what still lasts."""

    def shutdown(self) -> None:
        """Let go of everything."""


class BesidePart:
    """Makes a part of a run of something that yields records; it begins with the load."""

    def __init__(self, run: Run, inner: Beside) -> None:
        self._run = run
        self._inner = inner

    def initialize(self) -> None:
        """Start it."""
        self._inner.initialize()

    def due(self, now: float) -> float:
        """Its own next moment, from the beginning of the load on."""
        return max(0.0, self._inner.due)

    def loop(self, now: float) -> None:
        """Do what is due and keep what it tells."""
        if now >= 0.0:
            self._run.put(self._inner.loop(now))

    def shutdown(self) -> None:
        """Keep the end of what still lasts, then let go."""
        self._run.put(self._inner.finish(max(0.0, self._run.now)))
        self._inner.shutdown()

    def abandon(self) -> None:
        """Let go."""
        self._inner.shutdown()


class PreflightPart:
    """Every check once, after the target is up and before the load: a soak of half a system teaches nothing."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def initialize(self) -> None:
        """SoakError names the checks that did not pass; those that passed are named, too."""
        for check, outcome in preflight(self._run.config.checks):
            self._run.listener.message(f"check {check.name} ({check.kind}): ok, {outcome.ms:.0f} ms")

    def due(self, now: float) -> float:
        """Once is enough."""
        return float("inf")

    def loop(self, now: float) -> None:
        """Nothing more."""

    def shutdown(self) -> None:
        """Nothing to end."""

    def abandon(self) -> None:
        """Nothing to end."""


def parts_beside(run: Run, target: TargetPart, samples: SamplePart) -> list[Part]:
    """The parts that the configuration asks for, in the order of their start."""
    config = run.config
    hours = Hours(config.load.cycle, config.load.quiet)
    made: list[Beside] = []
    if config.checks:
        actions = hooks(config.target.name, config.alerts, target.restart if target.target.owned else None)
        made.append(Checks(config.checks, hours, on_unhealthy=actions))
    if config.probes:
        made.append(StateProbes(config.probes, hours, config.sample.interval))
    if config.faults:
        victims = Victims(
            roots=lambda: target.target.roots,
            processes=lambda: samples.sampler.processes,
            restart=target.restart if target.target.owned else None,
            answers=target.answers,
        )
        made.append(Faults(config.faults, config.load.cycle, victims, folder=config.base))
    return [BesidePart(run, inner) for inner in made]
