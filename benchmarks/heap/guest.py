"""The sampler as a guest has it: loaded by path, since the project is not installed in the benchmark's environment."""

from __future__ import annotations

import importlib.util
import os


def load() -> object:
    """A sampler on the library that the benchmark compiled, or on the one that was preloaded."""
    spec = importlib.util.spec_from_file_location("_soak_heap_sampler", os.environ["SOAK_HEAP_SOURCE"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HeapSampler(os.environ["SOAK_HEAP_LIBRARY"])
