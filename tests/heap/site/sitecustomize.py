"""Put on PYTHONPATH of a guest: samples the heap of this process and of every Python it starts.

SOAK_HEAP_LIBRARY: the compiled library. SOAK_HEAP_INTERVAL: bytes (512). SOAK_HEAP_LOG: a file that each process
appends one line to, so that a test can see that sampling was really on and what it came to.
"""

import atexit
import importlib.util
import os
import sys


def _start() -> None:
    source = os.environ["SOAK_HEAP_SOURCE"]
    spec = importlib.util.spec_from_file_location("_soak_heap_sampler", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sampler = module.HeapSampler(os.environ["SOAK_HEAP_LIBRARY"])
    able, why = sampler.available()
    if able:
        sampler.start(int(os.environ.get("SOAK_HEAP_INTERVAL", "512")))
        atexit.register(_report, sampler)
    else:
        _log(f"refused {sys.version_info[:3]}: {why}")


def _report(sampler) -> None:
    sites = sampler.read(0)
    stats = sampler.stats()
    _log(f"sampled native={sampler.native} taken={stats['taken']} live={stats['live']} sites={len(sites)}")


def _log(line: str) -> None:
    if "SOAK_HEAP_LOG" in os.environ:
        with open(os.environ["SOAK_HEAP_LOG"], "a") as log:
            log.write(f"{os.getpid()} {line}\n")


if "SOAK_HEAP_SOURCE" in os.environ:
    _start()
