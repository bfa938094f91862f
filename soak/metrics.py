"""What Prometheus scrapes: the target's series, load, verdicts, and what soak itself costs and does."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from soak import __version__
from soak.selfcost import resident_bytes
from soak.standing import ENDING, IDLE, SOAKING, STARTING, VERDICTS, Standing

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PHASES = (IDLE, STARTING, SOAKING, ENDING)


class SoakCollector:
    """Reads a Standing at each scrape; keeps nothing itself."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def collect(self) -> Iterable[Metric]:
        """Every metric family."""
        yield from self._target()
        yield from self._load()
        yield from self._runs()
        yield from self._soak()

    def _target(self) -> Iterator[Metric]:
        """One family per unit, as Prometheus wants it: soak_target_bytes, soak_target_count, soak_target_ratio."""
        families: dict[str, GaugeMetricFamily] = {}
        for row in self._standing.samples():
            if row.value is None:  # a gap is no value
                continue
            family = families.setdefault(
                row.unit,
                GaugeMetricFamily(
                    f"soak_target_{row.unit}",
                    f"Last stored sample of each series in {row.unit}; process is total or pid:role.",
                    labels=("target", "series", "process"),
                ),
            )
            family.add_metric((self._standing.name, row.name, row.process), row.value)
        yield from families.values()
        state = GaugeMetricFamily(
            "soak_check_healthy", "1 while a check passes, 0 while not.", labels=("check", "state")
        )
        for name, now in self._standing.checks().items():
            state.add_metric((name, now), float(now == "healthy"))
        yield state

    def _load(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "soak_load_requests",
            "Requests of the current run: landed (any answer), failed (of any kind, also some that landed), dropped.",
            labels=("target", "scenario", "outcome"),
        )
        for scenario, sums in self._standing.load().items():
            for outcome in ("landed", "failed", "dropped"):
                requests.add_metric((self._standing.name, scenario, outcome), getattr(sums, outcome))
        yield requests
        status = self._standing.status
        rate = status.rate if status is not None and self._standing.phase == SOAKING else 0.0
        yield _gauge("soak_load_rate", "Intended requests per second now.", rate)

    def _runs(self) -> Iterator[Metric]:
        standing = self._standing
        phase = GaugeMetricFamily(
            "soak_phase", "What the daemon is doing: 1 for that, 0 for the rest.", labels=("phase",)
        )
        for name in _PHASES:
            phase.add_metric((name,), float(standing.phase == name))
        yield phase
        runs = CounterMetricFamily("soak_runs", "Runs that ended, by verdict.", labels=("target", "verdict"))
        for verdict, count in standing.runs.items():
            runs.add_metric((standing.name, verdict), count)
        yield runs
        last = GaugeMetricFamily(
            "soak_last_verdict", "Verdict of the last run: 1 for it.", labels=("target", "verdict")
        )
        if standing.last is not None:
            for verdict in VERDICTS:
                last.add_metric((standing.name, verdict), float(standing.last.verdict == verdict))
            yield _gauge("soak_last_run_end_timestamp_seconds", "When the last run ended.", standing.last.ended)
        yield last
        status = standing.status
        if status is not None and standing.phase != IDLE:
            yield _gauge("soak_run", "Number of the run that is going on.", status.run_id)
            yield _gauge("soak_run_cycle", "Its cycle, from 1.", status.cycle + 1)
            yield _gauge("soak_run_cycles_planned", "Its planned cycles.", status.cycles)
        due = standing.next_start()
        if due is not None:
            yield _gauge("soak_next_start_timestamp_seconds", "When the next run is due.", due)

    def _soak(self) -> Iterator[Metric]:
        standing = self._standing
        info = GaugeMetricFamily("soak_build_info", "The version of soak.", labels=("version",))
        info.add_metric((__version__,), 1.0)
        yield info
        yield _gauge("soak_up", "1 while the daemon does its work, 0 when it hangs.", float(standing.alive))
        yield _gauge("soak_daemon_resident_bytes", "Resident memory of the daemon.", resident_bytes())
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = CounterMetricFamily("soak_daemon_cpu_seconds", "Processor time of the daemon.")
        cpu.add_metric((), usage.ru_utime + usage.ru_stime)
        yield cpu
        if standing.sample_age is not None and standing.phase == SOAKING:
            yield _gauge("soak_sample_age_seconds", "Seconds since samples were last stored.", standing.sample_age)
        stats = standing.recorder
        if stats is not None:
            yield _gauge("soak_recorder_queue", "Records that wait for the store.", stats.queued)
            lost = CounterMetricFamily("soak_recorder_dropped", "Records of the current run that were lost.")
            lost.add_metric((), stats.dropped)
            yield lost
        restarts = CounterMetricFamily("soak_part_restarts", "Restarts of a part of the daemon.", labels=("part",))
        broken = GaugeMetricFamily("soak_part_up", "1 while a part of the daemon works.", labels=("part",))
        for name, part in standing.parts().items():
            restarts.add_metric((name,), float(str(part["restarts"])))
            broken.add_metric((name,), float(part["error"] is None))
        yield from (restarts, broken)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def exposition(standing: Standing) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SoakCollector(standing))
    return generate_latest(registry)
