"""With `agent.native` the sampler lies below malloc, too: a leak in C is named with the Python call that led there."""

from __future__ import annotations

from pathlib import Path

import pytest

import soak_heap

from .soaking import soak_undisturbed, write_config

LIBRARY = Path(soak_heap.__file__).with_name("_soak_heap_preload.so")
LEAKING = """
import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def remember(size):
    libc.memset(libc.malloc(size), 1, size)
"""


@pytest.mark.skipif(not LIBRARY.exists(), reason="the heap sampler was not built here: no C compiler")
@pytest.mark.timeout(900)
def test_a_leak_in_c_is_named_with_its_python_call(tmp_path: Path) -> None:
    """malloc without free: rss leaks, the Python heap does not, and the function that calls C is in the stack."""
    guest = (Path(__file__).parents[1] / "targets" / "guest.py").read_text()
    begin, end = guest.index("def remember"), guest.index("class Handler")
    (tmp_path / "guest.py").write_text(guest[:begin] + LEAKING + "\n\n" + guest[end:])
    path = write_config(tmp_path, target={"env": {"LEAK": "20000"}}, agent={"native": True})
    path.write_text(path.read_text().replace(str(Path(__file__).parents[1] / "targets" / "guest.py"), "guest.py"))
    done = soak_undisturbed(tmp_path, lambda report: report["verdict"] == "leak")
    assert done.report is not None, done.err
    assert done.report["verdict"] == "leak", done.out
    finding = next(item for item in done.report["findings"] if item["kind"] == "growth")
    assert finding["series"] == "rss"
    site = finding["sites"][0]
    assert site["owner"].startswith("native")
    assert any(frame["function"] == "remember" for frame in site["traceback"])
