"""Loads the sampler by path, as the agent does."""

import importlib.util
import json
import os


def load():
    """A sampler on the library that the test compiled."""
    spec = importlib.util.spec_from_file_location("_soak_heap_sampler", os.environ["SOAK_HEAP_SOURCE"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HeapSampler(os.environ["SOAK_HEAP_LIBRARY"])


def ready():
    """The same, asserting that it can run here."""
    sampler = load()
    able, why = sampler.available()
    assert able, why
    return sampler


def answer(**facts):
    """What the test reads."""
    print(json.dumps(facts))


def total(sites, function, key="bytes"):
    """Sum over the sites that have `function` anywhere in their stack (its bare name)."""
    return sum(site[key] for site in sites if any(frame[2].split(".")[-1] == function for frame in site["stack"]))
