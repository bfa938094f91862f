"""What growing memory consists of."""

from __future__ import annotations

import numpy as np
import pytest

from soak.report.series import Judged
from soak.report.split import memory_split, split_sentence
from soak_storage.records import SeriesInfo

MB = 1024.0 * 1024.0


def series(name: str, per_hour: float) -> Judged:
    """A series that grows evenly, read once an hour."""
    times = np.arange(6.0) * 3600.0
    return Judged(SeriesInfo(1, name, "bytes", "total", False), times, per_hour * times / 3600.0, None, None, {})


@pytest.mark.parametrize(
    ("grows", "python", "held", "files", "expected"),
    [
        (10.0, 10.0, 0.0, 0.0, "Python objects +10 MB/h"),
        (10.0, 1.0, 0.0, 0.0, "native memory +9 MB/h, Python objects +1 MB/h"),
        (10.0, 1.0, 6.0, 1.0, "free memory held by the allocators +6 MB/h, native memory +2 MB/h, "
         "Python objects +1 MB/h, mapped files +1 MB/h"),
        # what the heap says above what is seen from outside is sampling error; what allocators gave back is no growth
        (10.0, 12.0, -3.0, 0.0, "Python objects +10 MB/h"),
    ],
)  # fmt: skip
def test_the_parts_add_up_to_what_is_seen_from_outside(
    grows: float, python: float, held: float, files: float, expected: str
) -> None:
    """Native is what nothing else accounts for; no part is negative, and small ones are left out of the sentence."""
    judged = [series("malloc_free", held * MB / 2), series("pymalloc_free", held * MB / 2)]
    parts = memory_split([*judged, series("mapped_files", files * MB)], grows * MB, python * MB)
    assert parts is not None
    assert sum(parts.values()) == pytest.approx(grows * MB)
    assert split_sentence(parts) == expected


def test_without_the_allocators_figures_nothing_is_said() -> None:
    """An old run, or a target without an agent."""
    assert memory_split([series("rss", 10.0)], 10.0, 1.0) is None
