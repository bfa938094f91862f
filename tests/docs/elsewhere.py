"""Commands in the running text of the documents that are no `soak` command: by which test they run, or why in none.

`soak` commands in the text are all run by `test_lines.py`, but for those that are named here.
"""

from __future__ import annotations

CLONE = "tests/docs/test_fresh_clone.py"
RUN_BY = {
    "make demo": CLONE,
    "soak demo": CLONE,  # make demo
    "make test-docs": ".ci/run",
    "python3 -m venv .venv": CLONE,
    "pip install -r requirements.txt": CLONE,
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt": CLONE,
    "pip install 'soak[postgres]'": CLONE,
    "pip install 'soak[attach]'": CLONE,
    "python probes/soak_heap/build.py": CLONE,
    "python tools/docs": CLONE,
    "python -m soak.cli_reference": CLONE,
    "python -m soak.config.reference": CLONE,
    'sqlite3 soak.db ".backup copy.db"': "tests/docs/test_lines.py",
    'eval "$(_SOAK_COMPLETE=bash_source soak)"': "tests/docs/test_lines.py",
    'eval "$(_SOAK_COMPLETE=zsh_source soak)"': "tests/docs/test_lines.py",
    "_SOAK_COMPLETE=fish_source soak | source": "tests/docs/test_lines.py",
    "python -m soak.load.worker": "soak/load/generator.py",  # each `soak run` and each `soak load` starts it
}
NOT_IN_CI = {  # how a command begins -> why; README says so too
    "make bench": "minutes to hours",
    "make self-soak": "an hour",
    "make test-slow": "an hour",
    "python -m benchmarks": "minutes to hours",
    "PYTHON tests/heap/suites.py": "an hour for each interpreter",
    "django-admin startproject": "somebody else's generator; `make test-slow` runs it",
    "npm ": "somebody else's program; `make test-slow` runs it",
    "systemctl status": "a booted systemd; `make test-slow` boots one",
}
