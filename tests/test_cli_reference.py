"""The reference of commands and the man page say what the commands do."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from soak.cli import COMMANDS
from soak.cli_reference import EXIT_CODES, commands, man_page, markdown
from soak.doctor import machine, plan, target
from tests.common import PATIENCE_S

DOCUMENT = Path(__file__).parents[1] / "docs/reference-commands.md"


def test_the_document_is_current() -> None:
    """docs/reference-commands.md is what the code generates; mend: python -m soak.cli_reference."""
    assert DOCUMENT.read_text(encoding="utf-8") == markdown()


def test_every_command_option_exit_code_and_check_appears() -> None:
    """What somebody can type, get as exit code, or be told by the doctor has its line."""
    text = markdown()
    headings = set(re.findall(r"^## (soak .+)$", text, re.M))
    assert headings == {path for path, _ in commands()}
    assert {path.split()[1] for path in headings} == set(COMMANDS)
    for _, command in commands():
        for param in command.params:
            if param.param_type_name == "option":
                assert all(name in text for name in param.opts), param.opts
    for name in (*machine.CHECKS, *target.CHECKS, *plan.CHECKS):
        assert f"| {name} |" in text
    assert all(f"| {code} |" in text for code in EXIT_CODES)


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff checks the man page, and is not installed here")
def test_the_man_page_is_one() -> None:
    """groff renders it without a warning, with every command in it."""
    page = man_page(datetime.date(2026, 1, 1))
    run = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou"],
        input=page,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert all(f"soak {name}" in run.stdout for name in COMMANDS)
