"""The guest in a Node target: it collects garbage in the trough, so that rss shows what is kept and not what is due."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import soak_agent

STARTERS = frozenset({"node", "nodejs", "npm", "npx", "yarn", "pnpm", "tsx", "ts-node"})
GUEST = Path(soak_agent.__file__).with_name("node_guest.cjs")
FILE = "collect"


def node_environment(command: Sequence[str], base: Mapping[str, str]) -> dict[str, str]:
    """What loads the guest into a command that starts Node, after what NODE_OPTIONS loads already; else nothing."""
    if not any(Path(word).name in STARTERS for word in command):
        return {}
    before = base.get("NODE_OPTIONS", "")
    return {"NODE_OPTIONS": f'{before} --require "{GUEST}"'.strip()}


def ask_to_collect(folder: Path) -> None:
    """Let every guest that watches `folder` collect once; where there is none, nothing happens."""
    try:
        (folder / FILE).touch()
        os.utime(folder / FILE)
    except OSError:  # the folder of an attached target may be another's: there is no guest of ours in it
        return
