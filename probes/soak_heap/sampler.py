"""The sampled heap profiler as the agent sees it: start it, mark cycles, read the live sites.

Runs inside the guest on Python 3.9 to 3.14: standard library only, a short import list, and a refusal with its reason
wherever the C library cannot be sure of what it reads (docs/heap-sampler.md).
"""

# A guest imports little (no pathlib) and never raises:
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, BLE001

from __future__ import annotations

import atexit
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is not loaded into a guest
    from typing import Any, Callable

    Site = dict[str, Any]
    Frame = list[Any]  # [file, line, function]

ABI = 2
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

    def __init__(self, library: str | None = None) -> None:
        self._path: Any = library or library_path()  # None: the library that was preloaded
        self._gil: Any = None  # calls that keep the GIL
        self._free: Any = None  # the dump, which gives it up
        self._object: Any = None  # ctypes.py_object
        self._verdict: tuple[bool, str] | None = None
        self._exit_hook = False
        self._running = False
        self.restarts = 0  # how often another tool took the hooks off: everything sampled before is lost
        self.dump_seconds = 0.0  # of the last read: the C side's work, without the GIL

    def available(self) -> tuple[bool, str]:
        """(True, "") or (False, the reason in words). The first call loads the library and runs its self-test."""
        if self._verdict is None:
            try:
                why = _interpreter_refusal() or self._load() or self._self_test()
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
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

    def start(self, interval_bytes: int = 65536, seed: int = 0) -> None:
        """Begin sampling; without effect when it is on. Raises RuntimeError where it is not available.

        A `seed` makes the calling thread's draws repeatable; 0 leaves them to the clock.
        """
        ok, why = self.available()
        if ok:
            self._gil.soak_heap_seed(seed)
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

    def make_young(self, objects: list[Any]) -> None:
        """Have the collector take these for young, so that `gc.collect(1)` looks at them; empties `objects`."""
        if self._gil is not None:
            self._gil.soak_heap_make_young(self._object(objects))

    def read(self, top: int | None = 0) -> list[Site]:
        """The live sites, largest first, `top` of them or all (0).

        Each: bytes and count (estimates), error (one standard error of bytes), samples, births {cycle: bytes}, domain
        (raw, mem, obj; preloaded also malloc, mmap), stack [[file, line, function], ...] innermost last, partial (outer
        frames are missing). Where native code called malloc or mmap the innermost frame is [module, offset, symbol],
        and `native` says more: module, offset, symbol, build_id. mmap is address space, not residency: count it apart.
        """
        if not self._running:
            return []
        was = self.ignore_thread()
        try:
            self._keep_hooked()
            return self._read(top)
        finally:
            self.ignore_thread(was)

    def stats(self) -> dict[str, int]:
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
        import ctypes

        if hasattr(ctypes.PyDLL(None), "soak_heap_abi"):  # preloaded: malloc goes through that one
            self._path = None
        elif not os.path.exists(self._path):
            return f"the library is not built (no C compiler at install time?): {self._path}"
        self._gil, self._free, self._object = ctypes.PyDLL(self._path), ctypes.CDLL(self._path), ctypes.py_object
        if self._gil.soak_heap_abi() != ABI:
            return "the library is of another version of soak"
        self._gil.soak_heap_start.argtypes = (ctypes.c_double, ctypes.c_char_p, ctypes.c_size_t)
        self._gil.soak_heap_seed.argtypes = (ctypes.c_uint64,)
        self._gil.soak_heap_make_young.restype = None
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

    def _read(self, top: int | None) -> list[Site]:
        import ctypes

        block, size = ctypes.c_void_p(), ctypes.c_size_t()
        if self._free.soak_heap_dump(ctypes.byref(block), ctypes.byref(size)) or not block.value:
            return []
        try:
            dump = _Dump(memoryview((ctypes.c_char * size.value).from_address(block.value)).cast("B"), self._module_of)
            self.dump_seconds = dump.seconds
            return dump.sites(top)
        finally:
            self._free.soak_heap_dump_free(block, size)

    def _module_of(self, address: int) -> dict[str, Any]:
        """Where a native return address lies; `interpreter` tells that it is Python itself."""
        import ctypes

        path, symbol, build = (ctypes.create_string_buffer(_NAME_BYTES) for _ in range(3))
        offset = ctypes.c_size_t()
        inside = self._free.soak_heap_module(
            ctypes.c_void_p(address), path, ctypes.c_size_t(_NAME_BYTES), ctypes.byref(offset), symbol, build
        )
        return {
            "module": path.value.decode("utf-8", "replace") or "?",
            "offset": offset.value,
            "symbol": symbol.value.decode("utf-8", "replace"),
            "build_id": build.value.decode("ascii", "replace"),
            "interpreter": inside == 1,
        }


class _Dump:
    """The block that the library wrote (dump.h), read in place."""

    def __init__(self, block: memoryview, module_of: Callable[[int], dict[str, Any]]) -> None:
        head = _HEAD.unpack_from(block)
        self._block = block
        self._module_of = module_of
        self._sites, self._site_at, self._birth_at, self._ref_at, self._frame_at, self._text_at = head[1], *head[3:8]
        self.seconds = head[10] / 1e9
        self._texts: dict[int, str] = {}
        self._frames: dict[int, Frame] = {}
        self._modules: dict[int, dict[str, Any]] = {}

    def sites(self, top: int | None) -> list[Site]:
        """The records summed by stack (domains and native callers that share one), with their texts."""
        merged: dict[Any, list[Any]] = {}
        for i in range(self._sites):
            record = _SITE.unpack_from(self._block, self._site_at + i * _SITE.size)
            merged.setdefault(self._key(record), []).append(record)
        found = [(sum(record[0] for record in records), key) for key, records in merged.items()]
        found.sort(key=_size_of, reverse=True)
        return [self._site(key, merged[key]) for _, key in (found[:top] if top else found)]

    def _key(self, record: tuple[Any, ...]) -> tuple[Any, ...]:
        """Frame numbers and, where Python is not the caller, the native place; mappings stay apart from blocks."""
        caller, domain, partial, first_ref, depth = record[3:8]
        at = self._ref_at + first_ref * _LENGTH.size
        refs = bytes(self._block[at : at + depth * _LENGTH.size])
        mapping = DOMAINS[domain] == "mmap"
        if caller and depth and not mapping and self._module(caller)["interpreter"]:
            caller = 0
        return refs, caller, partial, mapping

    def _module(self, address: int) -> dict[str, Any]:
        if address not in self._modules:
            self._modules[address] = self._module_of(address)
        return self._modules[address]

    def _site(self, key: tuple[Any, ...], records: list[Any]) -> Site:
        refs, caller, partial, _ = key
        births: dict[int, float] = {}
        for record in records:
            for i in range(record[8], record[8] + record[9]):
                size, cycle = _BIRTH.unpack_from(self._block, self._birth_at + i * _BIRTH.size)
                births[cycle] = births.get(cycle, 0.0) + size
        site = {
            "bytes": sum(record[0] for record in records),
            "count": sum(record[1] for record in records),
            "error": sum(record[2] for record in records) ** 0.5,
            "samples": sum(record[10] for record in records),
            "births": births,
            "domain": DOMAINS[max(records, key=_size_of)[4]],
            "stack": [self._frame(ref[0]) for ref in _LENGTH.iter_unpack(refs)][::-1],
            "partial": bool(partial),
        }
        if caller:
            native = site["native"] = self._module(caller)
            site["stack"].append([native["module"], native["offset"], native["symbol"] or "?"])
        return site

    def _frame(self, number: int) -> Frame:
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


def _size_of(record: tuple[Any, ...]) -> float:
    return float(record[0])


def _under_odd_frames(check: Any) -> str:
    """`check()` under a class body, a generator, a comprehension, a lambda, deep recursion and names of every width."""
    for name in ("<plain>", "<caf\u00e9>", "<\u0394\u03bb>", "<\U0001d4b3>"):
        space: dict[str, Any] = {"check": check}
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
