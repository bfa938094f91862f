"""The sampled heap profiler as the agent sees it: start it, mark cycles, read the live sites.

Runs inside the guest on Python 3.9 to 3.14: standard library only, a short import list, and a refusal with its reason
wherever the C library cannot be sure of what it reads (docs/heap-sampler.md).
"""

import atexit
import os
import struct
import sys
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035 - 3.9 reads the annotations below

Site = Dict[str, Any]  # noqa: UP006
Frame = List[Any]  # noqa: UP006 - [file, line, function]

ABI = 1
DOMAINS = ("raw", "mem", "obj", "malloc", "mmap")
_HEAD = struct.Struct("<11Q")
_SITE = struct.Struct("<3dQ8I")
_BIRTH = struct.Struct("<dq")
_FRAME = struct.Struct("<2Ii")
_LENGTH = struct.Struct("<I")
_WHY_BYTES = 256
_NAME_BYTES = 4096


def library_path() -> str:
    """Where the build puts the C library: beside this file."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "_soak_heap.so")


def _interpreter_refusal() -> str:
    """Why this interpreter is out of the question, or an empty string."""
    if sys.implementation.name != "cpython":
        return "only CPython is supported, this is " + sys.implementation.name
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return "only 64-bit Linux is supported"
    if "t" in sys.abiflags:
        return "free-threaded builds of Python are not supported"
    if "d" in sys.abiflags or hasattr(sys, "gettotalrefcount"):
        return "debug builds of Python are not supported"
    return ""


class HeapSampler:
    """Samples the live allocations of this process: about one in `interval_bytes` bytes, with stack and birth cycle.

    One process has one sampler: every instance drives the same library. No method raises into the guest except
    `start`, which raises RuntimeError with the reason that `available` gives.
    """

    def __init__(self, library: Optional[str] = None) -> None:
        self._path = library or library_path()
        self._gil: Any = None  # calls that keep the GIL
        self._free: Any = None  # the dump, which gives it up
        self._verdict: Optional[Tuple[bool, str]] = None  # noqa: UP006
        self._exit_hook = False
        self._running = False
        self.restarts = 0  # how often another tool took the hooks off: everything sampled before is lost
        self.dump_seconds = 0.0  # of the last read: the C side's work, without the GIL

    def available(self) -> Tuple[bool, str]:  # noqa: UP006
        """(True, "") or (False, the reason in words). The first call loads the library and runs its self-test."""
        if self._verdict is None:
            try:
                why = _interpreter_refusal() or self._load() or self._self_test()
            except Exception as error:
                why = "%s: %s" % (type(error).__name__, error)
            self._verdict = (not why, why)
        return self._verdict

    @property
    def native(self) -> bool:
        """Whether the library was preloaded, so that malloc and mmap are sampled too."""
        return self.available()[0] and bool(self._gil.soak_heap_native())

    @property
    def running(self) -> bool:
        """Whether allocations are being sampled now."""
        return self._running

    def start(self, interval_bytes: int = 65536) -> None:
        """Begin sampling; without effect when it is on. Raises RuntimeError where it is not available."""
        ok, why = self.available()
        if ok:
            why = self._refusal(self._gil.soak_heap_start, float(interval_bytes))
        if why:
            raise RuntimeError(why)
        self._running = True
        self._interval = interval_bytes
        if not self._exit_hook:
            atexit.register(self.stop)  # before the interpreter takes its own structures down
            self._exit_hook = True

    def stop(self) -> None:
        """End sampling and forget every sample."""
        if self._running:
            self._running = False
            self._gil.soak_heap_stop()

    def mark_cycle(self, n: int) -> None:
        """Samples taken from now on are born in cycle `n`; before the first mark it is -1."""
        if self._gil is not None:
            self._gil.soak_heap_mark(n)

    def ignore_thread(self, on: bool = True) -> bool:
        """Leave the calling thread's allocations out (the agent's own); returns what it was before."""
        return bool(self._gil.soak_heap_ignore(int(on))) if self._gil is not None else False

    def read(self, top: Optional[int] = None) -> List[Site]:  # noqa: UP006
        """The live sites, largest first, `top` of them or all.

        Each: bytes and count (estimates), error (one standard error of bytes), samples, births {cycle: bytes}, domain
        (raw, mem, obj; preloaded also malloc, mmap), stack [[file, line, function], ...] innermost last, partial
        (outer frames are missing), and native {module, offset, symbol, build_id} for malloc and mmap.
        """
        if not self._running:
            return []
        was = self.ignore_thread()
        try:
            self._keep_hooked()
            return self._read(top)
        finally:
            self.ignore_thread(was)

    def stats(self) -> Dict[str, int]:  # noqa: UP006
        """Counts since the process began: samples taken, dropped for want of memory, foreign (seen in other
        interpreters), live now, stacks known, and the interval in bytes."""
        if self._gil is None:
            return {}
        import ctypes

        out = (ctypes.c_uint64 * 6)()
        self._gil.soak_heap_stats(out)
        return dict(zip(("taken", "dropped", "foreign", "live", "stacks", "interval"), out))

    def own_bytes(self) -> int:
        """Memory the sampler has mapped for itself, in bytes (an upper bound of what is resident)."""
        return int(self._gil.soak_heap_own_bytes()) if self._gil is not None else 0

    # --- loading

    def _load(self) -> str:
        if not os.path.exists(self._path):
            return "the library is not built (no C compiler at install time?): %s" % self._path
        import ctypes

        self._gil, self._free = ctypes.PyDLL(self._path), ctypes.CDLL(self._path)
        if self._gil.soak_heap_abi() != ABI:
            return "the library is of another version of soak"
        self._gil.soak_heap_start.argtypes = (ctypes.c_double, ctypes.c_char_p, ctypes.c_size_t)
        self._gil.soak_heap_own_bytes.restype = ctypes.c_uint64
        self._free.soak_heap_dump_free.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        return self._refusal(self._gil.soak_heap_prepare, sys.version_info[1])

    def _refusal(self, call: Any, *arguments: Any) -> str:
        """Run a call of the library that may refuse; its reason, or an empty string."""
        import ctypes

        why = ctypes.create_string_buffer(_WHY_BYTES)
        failed = call(*arguments, why, ctypes.c_size_t(_WHY_BYTES))
        return why.value.decode("utf-8", "replace") or "refused" if failed else ""

    def _self_test(self) -> str:
        """Compare the library's walk with the API's under every kind of frame and text there is."""
        import ctypes

        def check() -> str:
            frames = ctypes.c_int()
            why = ctypes.create_string_buffer(_WHY_BYTES)
            failed = self._gil.soak_heap_selftest(why, ctypes.c_size_t(_WHY_BYTES), ctypes.byref(frames))
            return why.value.decode("utf-8", "replace") if failed else ""

        return check() or _under_odd_frames(check)

    # --- reading

    def _keep_hooked(self) -> None:
        """Another tool that stopped may have put back the allocators it found before us: begin again."""
        if self._gil.soak_heap_hooked():
            return
        self.restarts += 1
        self._gil.soak_heap_stop()
        self._running = not self._refusal(self._gil.soak_heap_start, float(self._interval))

    def _read(self, top: Optional[int]) -> List[Site]:  # noqa: UP006
        import ctypes

        block, size = ctypes.c_void_p(), ctypes.c_size_t()
        if self._free.soak_heap_dump(ctypes.byref(block), ctypes.byref(size)) or not block.value:
            return []
        try:
            dump = _Dump(memoryview((ctypes.c_char * size.value).from_address(block.value)).cast("B"))
            self.dump_seconds = dump.seconds
            return [self._with_native(site) for site in dump.sites(top)]
        finally:
            self._free.soak_heap_dump_free(block, size)

    def _with_native(self, site: Site) -> Site:
        caller = site.pop("caller")
        if caller:
            site["native"] = self._module_of(caller)
        return site

    def _module_of(self, caller: int) -> Dict[str, Any]:  # noqa: UP006
        import ctypes

        path, symbol, build = (ctypes.create_string_buffer(_NAME_BYTES) for _ in range(3))
        offset = ctypes.c_size_t()
        self._free.soak_heap_module(
            ctypes.c_void_p(caller), path, ctypes.c_size_t(_NAME_BYTES), ctypes.byref(offset), symbol, build
        )
        return {
            "module": path.value.decode("utf-8", "replace"),
            "offset": offset.value,
            "symbol": symbol.value.decode("utf-8", "replace"),
            "build_id": build.value.decode("ascii", "replace"),
        }


class _Dump:
    """The block that the library wrote (dump.h), read in place."""

    def __init__(self, block: memoryview) -> None:
        self._block = block
        (_, self._sites, _, self._site_at, self._birth_at, self._ref_at, self._frame_at, self._text_at) = _HEAD.unpack_from(
            block
        )[:8]
        self.seconds = _HEAD.unpack_from(block)[10] / 1e9
        self._texts: Dict[int, str] = {}  # noqa: UP006
        self._frames: Dict[int, Frame] = {}  # noqa: UP006

    def sites(self, top: Optional[int]) -> List[Site]:  # noqa: UP006
        size = _SITE.size
        found = [_SITE.unpack_from(self._block, self._site_at + i * size) for i in range(self._sites)]
        found.sort(key=_bytes_of, reverse=True)
        return [self._site(*record) for record in (found if top is None else found[:top])]

    def _site(
        self,
        size: float,
        count: float,
        variance: float,
        caller: int,
        domain: int,
        partial: int,
        first_ref: int,
        depth: int,
        first_birth: int,
        births: int,
        samples: int,
        _pad: int,
    ) -> Site:
        return {
            "bytes": size,
            "count": count,
            "error": variance**0.5,
            "samples": samples,
            "births": dict(self._birth(first_birth + i) for i in range(births)),
            "domain": DOMAINS[domain],
            "stack": [self._frame(first_ref + depth - 1 - i) for i in range(depth)],
            "partial": bool(partial),
            "caller": caller,
        }

    def _birth(self, number: int) -> Tuple[int, float]:  # noqa: UP006
        size, cycle = _BIRTH.unpack_from(self._block, self._birth_at + number * _BIRTH.size)
        return cycle, size

    def _frame(self, ref: int) -> Frame:
        number = _LENGTH.unpack_from(self._block, self._ref_at + ref * _LENGTH.size)[0]
        frame = self._frames.get(number)
        if frame is None:
            file, func, line = _FRAME.unpack_from(self._block, self._frame_at + number * _FRAME.size)
            frame = self._frames[number] = [self._text(file), line, self._text(func)]
        return frame

    def _text(self, at: int) -> str:
        text = self._texts.get(at)
        if text is None:
            start = self._text_at + at + _LENGTH.size
            size = _LENGTH.unpack_from(self._block, start - _LENGTH.size)[0]
            text = self._texts[at] = bytes(self._block[start : start + size]).decode("utf-8", "replace")
        return text


def _bytes_of(record: Tuple[Any, ...]) -> float:  # noqa: UP006
    return float(record[0])


def _under_odd_frames(check: Any) -> str:
    """`check()` under a class body, a generator, a comprehension, a lambda, deep recursion and names of every width."""
    for name in ("<plain>", "<caf\u00e9>", "<\u0394\u03bb>", "<\U0001d4b3>"):
        space: Dict[str, Any] = {"check": check}  # noqa: UP006
        source = (
            "def gen\u00e9rate():\n    yield (lambda:\n        check())()\n"
            "class Body:\n    found = [text for text in\n        gen\u00e9rate()]\n"
            "def recurse(n):\n    return recurse(n - 1) if n else check()\n"
            "why = Body.found[0] or recurse(9) or recurse(99)\n"
        )
        exec(compile(source, name, "exec"), space)  # noqa: S102 - our own text, three lines up
        if space["why"]:
            return str(space["why"])
    return ""
