"""Which documents are generated, and by what."""

from __future__ import annotations

from collections.abc import Callable

from soak import cli_reference
from soak.config import reference
from tools.docs import messages, metrics, plans, reports

DOCUMENTS: dict[str, Callable[[], str]] = {
    "reference-commands.md": cli_reference.markdown,
    "reference-configuration.md": reference.render,
    "reference-reports.md": reports.render,
    "reference-metrics.md": metrics.render,
    "reference-limits.md": plans.render,
    "reference-messages.md": messages.render,
}
