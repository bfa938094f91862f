"""Write every generated reference anew: `python tools/docs`; with `--check` only say which are out of date (exit 1).

The references of commands and configuration come from the packages that own them; the rest is below.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main(arguments: list[str]) -> int:
    """Write or check; the names of what changed go to stdout."""
    from tools.docs.generated import DOCUMENTS

    stale = []
    for name, render in DOCUMENTS.items():
        path = ROOT / "docs" / name
        text = render()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'out of date' if '--check' in arguments else 'written'}: docs/{name}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
