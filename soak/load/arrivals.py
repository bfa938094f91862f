"""When each request is due, which scenario it belongs to and whether it is one of the hostile ones.

All of it is a function of the arrival's number, so that W workers agree without talking: worker w takes the arrivals
k with k mod W = w, and a worker that was replaced goes on where it should be.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate

from soak.load.shapes import Shape

# The plastic number g solves g^3 = g + 1; frac(k / g), frac(k / g^2) fills the unit square evenly, better than random
# numbers do (M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018). Evenly means here: in any
# stretch of arrivals every scenario and every fault has its share to within a few, so cycles are alike.
_G = 1.324717957244746
_ALPHA = 1 / _G
_BETA = 1 / _G**2


class Choice:
    """Picks by share: `pick(u)` for u in [0, 1) gives an index, None beyond the last share."""

    def __init__(self, shares: Sequence[float]) -> None:
        if any(share < 0 or not math.isfinite(share) for share in shares):
            raise ValueError(f"shares must not be negative: {list(shares)}")
        self._bounds = list(accumulate(shares))

    def pick(self, u: float) -> int | None:
        """The index whose part of the unit interval holds `u`."""
        index = bisect_right(self._bounds, u)
        return index if index < len(self._bounds) else None


class Mix:
    """Scenario and fault of arrival `k`: scenarios by weight, faults by their share within the scenario."""

    def __init__(self, weights: Sequence[float], faults: Sequence[Mapping[str, float]]) -> None:
        total = sum(weights)
        if total <= 0:
            raise ValueError("at least one scenario needs a weight above 0")
        self._scenarios = Choice([weight / total for weight in weights])
        self._last = max(index for index, weight in enumerate(weights) if weight > 0)
        self._faults = [(tuple(shares), Choice(tuple(shares.values()))) for shares in faults]
        alone = sum(weight > 0 for weight in weights) == 1 and not any(faults[self._last].values())
        self.always = (self._last, None) if alone else None  # what `pick` gives, when that is the same for every k

    def pick(self, k: int) -> tuple[int, str | None]:
        """Index of the scenario of arrival `k`, and the fault it shall commit: None for a well-behaved one."""
        if self.always is not None:
            return self.always
        scenario = self._scenarios.pick(((k + 1) * _ALPHA) % 1.0)
        if scenario is None:
            scenario = self._last  # rounding may leave a sliver below 1
        names, choice = self._faults[scenario]
        fault = choice.pick(((k + 1) * _BETA) % 1.0) if names else None
        return scenario, None if fault is None else names[fault]


class Regular:
    """Arrival k when the integral of the shape reaches k + 1/2; of these every `workers`-th one."""

    def __init__(self, shape: Shape, worker: int = 0, workers: int = 1, since: float = 0.0) -> None:
        self._shape = shape
        self._workers = workers
        first = max(0, math.ceil(shape.due(since) - 0.5)) if since > 0 else 0
        self.k = first + (worker - first) % workers
        self.time = shape.when(self.k + 0.5)

    def advance(self) -> None:
        """Go on to this worker's next arrival."""
        self.k += self._workers
        self.time = self._shape.when(self.k + 0.5)


class Poisson:
    """Arrivals of a Poisson process whose rate follows the shape.

    With unit-rate arrivals at S_1 < S_2 < ... the times when the integral reaches S_i have the rate of the shape (time
    change of a Poisson process; Cinlar, Introduction to Stochastic Processes, 1975, ch. 4.7). Each of W workers runs an
    independent one at rate 1/W: their superposition is again Poisson, and needs no agreement.
    """

    def __init__(self, shape: Shape, worker: int = 0, workers: int = 1, since: float = 0.0, seed: int = 0) -> None:
        self._shape = shape
        self._workers = workers
        self._random = random.Random(f"{seed}/{worker}/{since}")
        self._sum = shape.due(since)
        self.k = worker - workers
        self.time = 0.0
        self.advance()

    def advance(self) -> None:
        """Go on to this worker's next arrival."""
        self._sum += self._random.expovariate(1 / self._workers)
        self.k += self._workers
        self.time = self._shape.when(self._sum)


Arrivals = Regular | Poisson
