"""All advice to the user in one file: what happened, and what to do next.

Each entry is filled in with `str.format` by the facts that its raiser hands over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """`what` happened, in one sentence, and the `next_step` that mends it."""

    what: str
    next_step: str = ""


ADVICE: dict[str, Advice] = {
    "config_invalid": Advice(
        "{count} problem(s) in the configuration:\n{listing}",
        "Mend the lines above and run the command again; nothing was started and nothing stored was touched.",
    ),
    "config_unreadable": Advice(
        "The configuration {path} cannot be read: {why}.",
        "Check the path and its permissions.",
    ),
    "no_config": Advice(
        "There is no configuration file {path}.",
        "Write one with `soak init`, or name one with `-c FILE`.",
    ),
}


def advice_for(code: str) -> Advice:
    """The entry for `code`; KeyError when nobody wrote one, which a test of all raisers would find."""
    return ADVICE[code]
