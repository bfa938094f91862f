"""docs/reference-messages.md: every error that ends a command, and what to do next, from `soak.advice`."""

from __future__ import annotations

import re

from soak.advice import ADVICE
from tools.docs.markdown import table

_INTRODUCTION = """\
# Reference: messages

Generated from `soak/advice.py` by `python tools/docs`; a test keeps it current.

Every command that cannot do its work ends with one of these messages on stderr and the exit code that
[the reference of commands](reference-commands.md) lists: what happened, then what to do. The words in capitals are
filled in when it happens.
"""


def render() -> str:
    """The whole document."""
    rows = [(f"`{code}`", _shown(advice.what), _shown(advice.next_step)) for code, advice in sorted(ADVICE.items())]
    return "\n".join([_INTRODUCTION, *table(("code", "what happened", "what to do"), rows), ""])


def _shown(text: str) -> str:
    """Placeholders as words in capitals: {why} -> WHY."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: found[1].upper(), text)
