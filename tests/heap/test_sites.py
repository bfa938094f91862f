"""What a reading says about a known leak, on every interpreter that can be had."""

from __future__ import annotations

from .conftest import Guest


def test_a_known_leak_is_named_with_its_size_its_births_and_its_whole_stack(guest: Guest, python: str) -> None:
    """1,500 blocks of 3,000 bytes: size within four errors, a third born in cycle 7, innermost frame last."""
    found = guest("leak.py", python=python)
    site = found["sites"][0]
    assert abs(site["bytes"] - 4_500_000) < 4 * site["error"]
    assert abs(site["count"] - 1500) < 4 * site["error"] / 3000
    births = {int(cycle): size for cycle, size in site["births"].items()}
    assert set(births) == {7, 8}
    # each birth is a sample of its own: 500 and 1,000 blocks, a block is taken with chance 1 - exp(-3000/4096) = 0.52
    assert 1_500_000 * 0.8 < births[7] < 1_500_000 * 1.2
    assert sum(births.values()) == site["bytes"]
    names = [frame[2].split(".")[-1] for frame in site["stack"]]
    assert names[-2:] == ["fill", "make"]
    assert names[0] == "<module>"
    assert [frame[1] for frame in site["stack"][-2:]] == [17, 21]
    assert all(frame[0].endswith("leak.py") for frame in site["stack"])
    assert not site["partial"]


def test_freed_blocks_are_forgotten_and_a_stopped_sampler_knows_nothing(guest: Guest, python: str) -> None:
    """Live samples only: after the cache is cleared the site is gone, after stop() every site."""
    found = guest("leak.py", python=python)
    assert sum(site["count"] for site in found["after"]) < 5  # a loop variable or two
    assert found["stopped"] == []
    assert found["stats"]["dropped"] == 0
