"""Commands in the running text of the documents that are no `soak` command: by which test each of them runs, in CI.

`soak` commands in the text are all run by `test_lines.py`, but for those that are named here.
"""

from __future__ import annotations

BENCHMARKS = "tests/docs/test_benchmarks.py"
CLONE = "tests/docs/test_fresh_clone.py"
RUN_BY = {
    "make bench": BENCHMARKS,
    "make demo": CLONE,
    "make self-soak": BENCHMARKS,
    "make test-docs": ".ci/run",
    "make test-slow": BENCHMARKS,
    "soak demo": CLONE,  # make demo
    "python3 -m venv .venv": CLONE,
    "pip install -r requirements.txt": CLONE,
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt": CLONE,
    "npm install": CLONE,
    "django-admin startproject mysite .": CLONE,
    "pip install .": CLONE,
    "pip install '.[postgres]'": CLONE,
    "pip install '.[attach]'": CLONE,
    "python probes/soak_heap/build.py": CLONE,
    "python tests/heap/suites.py probes/soak_heap test_dict": CLONE,
    "python tools/docs": CLONE,
    "python -m soak.cli_reference": CLONE,
    "python -m soak.config.reference": CLONE,
    "python -m benchmarks.corpus.run --only leaky invoke-pty": BENCHMARKS,
    "python -m benchmarks.corpus.run --parallel 3": BENCHMARKS,
    "python -m benchmarks.heap": BENCHMARKS,
    "python -m benchmarks.light": BENCHMARKS,
    "python -m benchmarks.load": BENCHMARKS,
    "python -m benchmarks.overhead": BENCHMARKS,
    "python -m benchmarks.pause": BENCHMARKS,
    "python -m benchmarks.planted": BENCHMARKS,
    "python -m benchmarks.processes": BENCHMARKS,
    "python -m benchmarks.storage": BENCHMARKS,
    "python -m benchmarks.suites.run": BENCHMARKS,
    "python -m benchmarks.verdicts": BENCHMARKS,
    "python -m benchmarks.verdicts --reps 50": BENCHMARKS,
    'sqlite3 soak.db ".backup copy.db"': "tests/docs/test_lines.py",
    'eval "$(_SOAK_COMPLETE=bash_source soak)"': "tests/docs/test_lines.py",
    'eval "$(_SOAK_COMPLETE=zsh_source soak)"': "tests/docs/test_lines.py",
    "_SOAK_COMPLETE=fish_source soak | source": "tests/docs/test_lines.py",
    "systemctl reload": "tests/service/systemd/inside.py",
    "python -m soak.load.worker": "soak/load/generator.py",  # each `soak run` and each `soak load` starts it
}
