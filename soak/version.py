"""Which version of the target is soaked: what its `version_command` prints."""

from __future__ import annotations

import subprocess

from soak.config import Config

PATIENCE = 10.0  # seconds
LONGEST = 200  # characters kept


def target_version(config: Config) -> str | None:
    """The first line that `target.version_command` prints in the target's folder; None when it cannot be had."""
    try:
        done = subprocess.run(
            config.target.version_command,
            cwd=config.target.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0][:LONGEST] if done.returncode == 0 and lines else None
