"""Finds the commands of the documents: fenced blocks, indented lines, and those that stand in the running text.

A block that begins with ```` ```sh run ```` is executed by `test_commands.py`; what it cannot do, such as a setup from
nothing, begins with ```` ```sh ran-by=FILE ```` and is executed by that test. There is no other block of commands.
```` ```toml ```` must be a configuration, or a part of one. Commands outside of blocks: `test_lines.py` and
`elsewhere.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("sh", "console", "bash", "shell")
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
_PROGRAMS = (
    *("soak", "python", "python3", "PYTHON", "pip", "make", "pytest", "npm", "npx", "node", "django-admin", "locust"),
    *("curl", "sqlite3", "systemctl", "journalctl", "docker", "podman", "kubectl", "git", "sudo", "eval"),
)
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )?(?:{'|'.join(_PROGRAMS)}) \S.*")
_USAGE = re.compile(r"\[OPTIONS\]|\[ARGS\]")  # a synopsis in the reference of commands


@dataclass(frozen=True, slots=True)
class Block:
    """The words after the fence, the text, and where it stands."""

    path: Path
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """file:line for messages."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def by(self) -> str | None:
        """The test that runs it, when it names one."""
        return next((word.removeprefix("ran-by=") for word in self.info if word.startswith("ran-by=")), None)


def documents() -> list[Path]:
    """README.md, docs/ without the decision records, and the READMEs of the examples."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]


def fences(path: Path) -> Iterator[Block]:
    """Every fenced block of one document."""
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(path, text.count("\n", 0, found.start()) + 1, tuple(found[1].split()), found[2])


def blocks(path: Path, *languages: str) -> Iterator[Block]:
    """Those in these languages."""
    return (block for block in fences(path) if block.info[:1] and block.info[0] in languages)


def runnable(path: Path) -> list[Block]:
    """The blocks of one document that are executed, in order."""
    return [block for block in blocks(path, "sh") if "run" in block.info[1:]]


def lines(block: Block) -> Iterator[str]:
    """Its commands: continued lines joined, comments gone; of `console` those after the prompt."""
    for line in block.text.replace("\\\n", " ").splitlines():
        command = without_comment(line)
        if block.info[0] == "console":
            command = command.removeprefix("$ ") if command.startswith("$ ") else ""
        if command:
            yield command


def without_comment(line: str) -> str:
    """The command in a line."""
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def outside(path: Path) -> Iterator[str]:
    """The commands of one document that stand in no block: indented lines and spans, with at least one argument."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    for paragraph in re.split(r"\n\s*\n", text):
        indented = [without_comment(line) for line in paragraph.splitlines() if line.startswith("    ")]
        spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", paragraph)]
        for command in (*indented, *spans):
            if _COMMAND.fullmatch(command) and not _USAGE.search(command):
                yield command.replace("\\|", "|")
