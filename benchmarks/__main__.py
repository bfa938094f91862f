"""`python -m benchmarks [NAME ...]`: run the benchmarks, one after the other, so that none disturbs another.

With `SOAK_BENCH=quick` in the environment each takes seconds and measures nothing (quick.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks that are there: packages with a `__main__`."""
    return sorted(path.parent.name for path in HERE.glob("*/__main__.py"))


def main(wanted: list[str]) -> int:
    """Run the wanted ones (default: all); 1 when one of them failed, 2 when there is none of that name."""
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    failed = []
    for name in wanted or names():
        module = f"benchmarks.{name}"
        print(f"== python -m {module} ==", flush=True)
        if subprocess.run([sys.executable, "-m", module], cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
