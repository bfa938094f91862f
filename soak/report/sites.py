"""Where growth comes from: stacks grouped by what a person would change, each group with its slope and share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soak.analysis import judge_sites
from soak.analysis.results import SiteResult
from soak.report.code import CodeLines
from soak.report.fingerprint import fingerprint, place
from soak.report.grouping import Group, Grouping
from soak.report.inputs import Floats, RunData
from soak.report.owner import APPLICATION, STANDARD, Frame, Owners, called, is_agent

MOST_SITES = 20  # of a finding; a person reads three
MOST_FRAMES = 30  # of a traceback: the innermost
LEAST_SHARE = 0.001  # of the growth, below which a site is not worth a line even in full
MOST_STACKS = 100  # of a flame graph: finer than a screen can show
VAGUE = 0.5
BY_BLOCKS = 0.5  # of the growth: less of it in more blocks, and old ones went by growing
CONSTRUCTORS = ("__init__", "__new__", "__post_init__")
TRUNK_SHARE = 0.8  # of the growth that has to pass a frame for it to be named as the way all of it comes


@dataclass(frozen=True)
class Attribution:
    """The sites of one resource, most guilty first, and how the growth gets there."""

    sites: list[dict[str, Any]]
    unexplained: float | None
    trunk: list[dict[str, Any]]
    tree: dict[str, Any]  # growth by stack, for a flame graph: frames, and stacks as places in them


@dataclass
class Attributor:
    """Attributes the growth of one run."""

    data: RunData
    owners: Owners
    code: CodeLines

    @classmethod
    def of(cls, data: RunData) -> Attributor:
        """With the target's folder as the root of the application."""
        cwd = target_cwd(data)
        return cls(data, Owners(cwd), CodeLines(cwd))

    def memory(self, growth_per_hour: float) -> Attribution:
        """Allocation sites of traced memory; shares are of `growth_per_hour`."""
        grouping = Grouping(self.owners, _reading_times(self.data))
        for site in self.data.sites:
            group = grouping.group(site.stack)
            if group is None:
                continue
            for point in site.points:
                at = grouping.place(point)
                if at is not None:
                    group.partial |= site.partial
                    grouping.add(group, site.stack, at, point.bytes, point.count)
                    group.variance[at] += (point.error or 0.0) ** 2
                    for cycle, live in point.births.items():
                        group.births[at][cycle] = group.births[at].get(cycle, 0.0) + live
        return self._ranked(grouping, growth_per_hour)

    def handles(self, kinds: Sequence[str], growth_per_hour: float) -> Attribution:
        """Birth places of handles of these kinds."""
        grouping = Grouping(self.owners, _reading_times(self.data))
        for handle in self.data.store.handles(self.data.run.id):
            group = grouping.group(handle.stack) if handle.kind in kinds else None
            if group is None:
                continue
            for point in handle.points:
                at = grouping.place(point)
                if at is not None:
                    grouping.add(group, handle.stack, at, point.count, point.count)
                    if at == grouping.times.size - 1:
                        note_states(group.details, point.detail)
                        group.partial |= bool(_told(point.detail).get("cut"))
        return self._ranked(grouping, growth_per_hour)

    def _ranked(self, grouping: Grouping, total: float) -> Attribution:
        groups = {key: group for key, group in grouping.groups.items() if np.ptp(group.values) > 0}
        if not groups or grouping.times.size < 2:
            return Attribution([], None, [], {"frames": [], "stacks": [], "rest": 0.0})
        judged = judge_sites(
            {key: (grouping.times, g.values, g.errors()) for key, g in groups.items()},
            self.data.cycle_seconds,
            total,
            self.data.restarts,
            births={key: g.births for key, g in groups.items() if any(g.births)},
        )
        growing = [result for result in judged if result.share >= LEAST_SHARE]
        growing.sort(key=lambda result: (not sure(result), -self._guilt(groups[result.key], result)))
        sites = [self.site(groups[result.key], result, grouping.times) for result in growing[:MOST_SITES]]
        explained = sum(result.share for result in growing if sure(result))
        growths = _growth_of_stacks(groups, grouping.times)
        trunk = self._trunk([(self._from_application(tuple(called(stack))), growth) for stack, growth in growths])
        tree = self._tree([(self._from_application(stack), growth) for stack, growth in growths])
        return Attribution(sites, min(1.0, max(0.0, 1.0 - explained)), trunk, tree)

    def _guilt(self, group: Group, result: SiteResult) -> float:
        """What sites are listed by: growth less three errors, and half of it where the frame alone tells little.

        A line of the standard library without its callers names nobody, a constructor says what was made and not who
        made it; what such sites grow by has other lines to tell of it.
        """
        stack = group.heaviest()
        maker = len(stack) == 1 and stack[0][2].rpartition(".")[2] in CONSTRUCTORS
        vague = maker or self.owners.likely(list(stack)) is None
        return result.rank_value * (VAGUE if vague and result.rank_value > 0 else 1.0)

    def site(self, group: Group, result: SiteResult, times: Floats) -> dict[str, Any]:
        """One group as a site of the report."""
        stack = [frame for frame in group.heaviest() if not is_agent(frame)]
        file, line, function = stack[-1]
        likely = self.owners.likely(stack)
        application = self.owners.application(stack)
        named = [stack[-1], *([likely[0]] if likely else []), *([application] if application else [])]
        return {
            "file": file,
            "line": line,
            "function": function,
            "short": place(file, self.owners.cwd),
            "owner": likely[1] if likely else STANDARD,
            "growth_per_hour": result.growth_per_hour,
            "ci95": list(result.ci95),
            "share": result.share,
            "count_per_hour": slope(times, group.counts),
            "partial": group.partial or len(stack) == 1,
            "traceback": [self.frame(frame) for frame in stack[-MOST_FRAMES:]],
            "types": [],
            "held_by": [],
            "significant": sure(result),
            "bounded": result.cohort == "bounded" and _in_blocks(group, times),
            "live": float(group.values[-1]),
            "stacks": len(group.stacks),
            "details": _most_common(group.details),
            "likely": self.frame(likely[0]) if likely else None,
            "application": self.frame(application) if application else None,
            "fingerprint": fingerprint("site", None, named, self.owners.cwd),
        }

    def frame(self, frame: Frame) -> dict[str, Any]:
        """A frame as the report writes it, with its line of code."""
        file, line, function = frame
        code = self.code.line(file, line)
        return {"file": file, "line": line, "function": function, "code": code, "short": place(file, self.owners.cwd)}

    def _from_application(self, stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """`stack` from its outermost frame of the application on.

        Long stacks are cut off somewhere in the framework above it, each elsewhere, and would not fall together.
        """
        owned = (place for place, frame in enumerate(stack) if self.owners.of(frame[0]) == APPLICATION)
        return stack[next(owned, 0) :]

    def _trunk(self, stacks: list[tuple[tuple[Frame, ...], float]]) -> list[dict[str, Any]]:
        """From the outermost frame inwards as long as one way carries most of the growth."""
        total, trunk, depth = sum(growth for _, growth in stacks), [], 0
        while total > 0:
            weights: dict[tuple[str, str], float] = {}
            for stack, growth in stacks:
                if depth < len(stack):
                    weights[stack[depth][::2]] = weights.get(stack[depth][::2], 0.0) + growth
            best = max(weights, key=lambda key: weights[key], default=None)
            if best is None or weights[best] < TRUNK_SHARE * total:
                break
            stacks = [(stack, growth) for stack, growth in stacks if depth < len(stack) and stack[depth][::2] == best]
            heaviest = max(stacks, key=lambda pair: pair[1])[0]
            trunk.append({**self.frame(heaviest[depth]), "share": weights[best] / total})
            depth += 1
        return trunk[-MOST_FRAMES:]

    def _tree(self, stacks: list[tuple[tuple[Frame, ...], float]]) -> dict[str, Any]:
        """The heaviest stacks, their frames written once; the rest is summed up, so that the whole stays the whole."""
        frames: dict[Frame, int] = {}
        rows = []
        for stack, growth in stacks[:MOST_STACKS]:
            places = [frames.setdefault(frame, len(frames)) for frame in stack[-MOST_FRAMES:]]
            rows.append({"frames": places, "growth_per_hour": growth})
        named = [[place(f, self.owners.cwd), line, function, self.owners.of(f)] for f, line, function in frames]
        return {"frames": named, "stacks": rows, "rest": sum(growth for _, growth in stacks[MOST_STACKS:])}


def sure(result: SiteResult) -> bool:
    """Whether a site grows for certain: after the correction for all that were looked at, or by three of its errors.

    With the few cycles of a short run the correction lets nothing through; what chance puts beyond three errors then
    has next to no share.
    """
    return result.significant or result.rank_value > 0


def target_cwd(data: RunData) -> str | None:
    """The folder the target runs in, as far as it was stored."""
    for found in (data.run.target.get("cwd"), data.config("target", "cwd")):
        if isinstance(found, str) and found.startswith("/"):
            return found
    return None


def _reading_times(data: RunData) -> list[tuple[int, float]]:
    """(cycle, time of its last reading) of every cycle that was read."""
    latest: dict[int, float] = {}
    for reading in data.judged_readings:
        latest[reading.cycle] = max(latest.get(reading.cycle, 0.0), reading.t)
    return sorted(latest.items())


def _growth_of_stacks(groups: dict[object, Group], times: Floats) -> list[tuple[tuple[Frame, ...], float]]:
    growths = ((stack, slope(times, values)) for group in groups.values() for stack, values in group.stacks.items())
    growing = [(stack, growth) for stack, growth in growths if growth > 0]
    return sorted(growing, key=lambda pair: -pair[1])


def slope(times: Floats, values: Floats) -> float:
    """Least squares slope per hour without the first reading, where warm-up sits, when enough are left."""
    skip = 1 if times.size >= 4 else 0
    return float(np.polyfit(times[skip:], values[skip:], 1)[0]) * 3600.0 if times.size >= 2 else 0.0


def _in_blocks(group: Group, times: Floats) -> bool:
    """Whether it grows, if at all, by more blocks: one that grows itself (`log += line`) is born anew each time."""
    size = float(group.values.sum()) / max(float(group.counts.sum()), 1.0)
    return slope(times, group.counts) * size >= BY_BLOCKS * slope(times, group.values)


def note_states(details: dict[str, int], detail: str) -> None:
    """Add what a reading says of handles: their states with numbers, and an example of a peer or path."""
    told = _told(detail)
    for state, number in (told.get("states") or {}).items():
        details[str(state)] = details.get(str(state), 0) + int(number)
    if told.get("example"):
        details.setdefault(f"such as {told['example']}", 0)


def _told(detail: str) -> dict[str, Any]:
    """What a reading says of the handles of one stack: `states`, `example`, `cut` where outer frames are missing."""
    try:
        told = json.loads(detail)
    except ValueError:
        told = {"example": detail}
    return told if isinstance(told, dict) else {}


def _most_common(details: dict[str, int], most: int = 3) -> list[str]:
    ordered = sorted(details, key=lambda detail: -details[detail])[:most]
    return [f"{details[name]} {name}" if details[name] else name for name in ordered]
