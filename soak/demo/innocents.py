"""What looks like a leak and is none: a bounded cache that fills, a warm-up, a buffer that is flushed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

INNOCENTS = ("lru", "warmup", "flush")

_CACHED_PAGES, _PAGE_BYTES = 128, 8 * 1024  # 1 MB when full, after 128 different orders
_WARM_ORDERS, _TABLE_BYTES = 32, 32 * 1024  # 1 MB of tables, built with the first 32 orders
_FLUSH_EVERY, _RECORD_BYTES = 25, 4 * 1024  # at most 100 KB wait to be written

_pages: OrderedDict[int, str] = OrderedDict()
_tables: list[bytes] = []
_records: list[str] = []


def page(order: int) -> str:
    """A rendered page from a cache that holds a fixed number of them and drops the oldest."""
    found = _pages.get(order)
    if found is None:
        line = f"<li>order {order:08d}</li>\n"
        found = _pages[order] = line * (_PAGE_BYTES // len(line))
        if len(_pages) > _CACHED_PAGES:
            _pages.popitem(last=False)
    return found


def table(order: int) -> bytes:
    """A lookup table, built while the service warms up and kept: there are only so many."""
    if len(_tables) < _WARM_ORDERS:
        seed = hashlib.sha256(str(order).encode()).digest()
        _tables.append(seed * (_TABLE_BYTES // len(seed)))
    return _tables[order % len(_tables)]


def record(order: int) -> int:
    """Buffer a record and write them out together; returns how many wait."""
    line = f"sold {order:08d};"
    _records.append(line * (_RECORD_BYTES // len(line)))
    if len(_records) >= _FLUSH_EVERY:
        _records.clear()
    return len(_records)
