"""A bounded, mergeable latency histogram: log-linear buckets of at most 0.8 % width.

The layout is that of HdrHistogram (Tene, http://hdrhistogram.org): values below 256 us are exact, above that every
octave is cut into 128 equal buckets. A quantile is answered with the middle of its bucket, so its error is at most
0.4 % of the value; one histogram never holds more than `MAX_BUCKETS` counters, however long it runs.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

SUB_BITS = 7  # 128 buckets an octave: percentiles have to be within 1 % of the truth
_SHIFT = SUB_BITS + 1
EXACT = 1 << (SUB_BITS + 1)  # below this many microseconds a bucket is one microsecond
MAX_US = 86_400_000_000  # a day; whatever takes longer is counted as a day
_MAGIC = b"SH1\0"
_HEADER = struct.Struct("<4sQQQI")  # magic, count, sum (us), maximum (us), buckets that follow


def bucket_of(us: int) -> int:
    """Number of the bucket that holds a value of `us` microseconds (0 <= us <= MAX_US)."""
    if us < EXACT:
        return us
    shift = us.bit_length() - SUB_BITS - 1
    return (shift << SUB_BITS) + (us >> shift)


def bucket_middle(bucket: int) -> float:
    """Middle of a bucket in microseconds."""
    if bucket < EXACT:
        return float(bucket)
    shift = (bucket >> SUB_BITS) - 1
    mantissa = (bucket & ((1 << SUB_BITS) - 1)) + (1 << SUB_BITS)
    return (mantissa << shift) + ((1 << shift) - 1) / 2


MAX_BUCKETS = bucket_of(MAX_US) + 1


@dataclass(slots=True)
class Histogram:
    """Counts of durations; recorded in seconds, kept in microseconds."""

    counts: dict[int, int] = field(default_factory=dict)
    count: int = 0
    sum_us: int = 0
    max_us: int = 0

    def record(self, seconds: float) -> None:
        """Add one duration; below zero counts as zero, above a day as a day."""
        us = int(seconds * 1e6 + 0.5) if seconds > 0.0 else 0
        if us > MAX_US:
            us = MAX_US
        if us < EXACT:
            bucket = us
        else:
            shift = us.bit_length() - SUB_BITS - 1
            bucket = (shift << SUB_BITS) + (us >> shift)
        counts = self.counts
        counts[bucket] = counts.get(bucket, 0) + 1
        self.count += 1
        self.sum_us += us
        if us > self.max_us:
            self.max_us = us

    def record_many(self, seconds: float, count: int) -> None:
        """Add `count` durations of the same length."""
        if count > 0:
            single = Histogram()
            single.record(seconds)
            (bucket,) = single.counts
            self.merge(Histogram({bucket: count}, count, single.sum_us * count, single.max_us))

    def record_all(self, durations: Iterable[float]) -> None:
        """Add many durations at once: a third of what one after the other costs."""
        values = Counter([int(seconds * 1e6 + 0.5) for seconds in durations])
        if not values:
            return
        if min(values) < 0 or max(values) > MAX_US:
            clipped: Counter[int] = Counter()
            for us, n in values.items():
                clipped[min(max(us, 0), MAX_US)] += n
            values = clipped
        counts = self.counts
        for us, n in values.items():  # many are of the same microsecond
            if us < EXACT:
                bucket = us
            else:
                shift = us.bit_length() - _SHIFT
                bucket = (shift << SUB_BITS) + (us >> shift)
            counts[bucket] = counts.get(bucket, 0) + n
            self.count += n
            self.sum_us += us * n
        self.max_us = max(self.max_us, max(values))

    def merge(self, other: Histogram) -> None:
        """Add the counts of `other`; the result is what recording both into one would have given."""
        counts = self.counts
        for bucket, n in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + n
        self.count += other.count
        self.sum_us += other.sum_us
        self.max_us = max(self.max_us, other.max_us)

    def quantile(self, q: float) -> float | None:
        """Seconds at or below which a share `q` (0 < q <= 1) of the values lies (nearest rank); None when empty."""
        if not self.count:
            return None
        rank = max(1, min(self.count, -int(-q * self.count // 1)))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= rank:
                return min(bucket_middle(bucket), float(self.max_us)) / 1e6
        return self.max_us / 1e6

    @property
    def maximum(self) -> float | None:
        """The largest value in seconds, exact to the microsecond; None when empty."""
        return self.max_us / 1e6 if self.count else None

    @property
    def mean(self) -> float | None:
        """The mean in seconds, exact to the microsecond; None when empty."""
        return self.sum_us / self.count / 1e6 if self.count else None

    def percentiles_ms(self) -> dict[str, float | None]:
        """The figures of a latency table in milliseconds: p50, p90, p95, p99, p99.9 and max."""
        shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
        table = {name: _ms(self.quantile(q)) for name, q in shares.items()}
        return {**table, "max": _ms(self.maximum)}

    def to_bytes(self) -> bytes:
        """Little-endian: a header, the bucket numbers (u32), their counts (u64)."""
        buckets = sorted(self.counts)
        head = _HEADER.pack(_MAGIC, self.count, self.sum_us, self.max_us, len(buckets))
        values = (self.counts[bucket] for bucket in buckets)
        return head + struct.pack(f"<{len(buckets)}I", *buckets) + struct.pack(f"<{len(buckets)}Q", *values)

    @classmethod
    def from_bytes(cls, data: bytes) -> Histogram:
        """The histogram that `to_bytes` wrote; ValueError for anything else."""
        try:
            magic, count, sum_us, max_us, n = _HEADER.unpack_from(data)
            buckets = struct.unpack_from(f"<{n}I", data, _HEADER.size)
            values = struct.unpack_from(f"<{n}Q", data, _HEADER.size + 4 * n)
        except struct.error as error:
            raise ValueError("not a histogram: cut short") from error
        if magic != _MAGIC or len(data) != _HEADER.size + 12 * n or sum(values) != count:
            raise ValueError("not a histogram")
        if any(bucket >= MAX_BUCKETS for bucket in buckets):
            raise ValueError("not a histogram: a bucket out of range")
        return cls(dict(zip(buckets, values, strict=True)), count, sum_us, max_us)


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """One histogram with the counts of all."""
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3
