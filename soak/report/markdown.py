"""The report as Markdown: for a comment on a pull request and the summary of a job."""

from __future__ import annotations

from typing import Any

from soak.report.facts import facts_of, shown_sites
from soak.report.service_text import service_lines
from soak.report.spark import floors_of, spark
from soak.report.units import amount, duration, interval, rate, share
from soak.report.words import TITLES, frame_name, has_share, kept_rate, meaning, plain, site_name

MARKS = {"leak": "🔴", "failed": "🔴", "error": "🟣", "inconclusive": "🟡", "clean": "🟢"}


def render(report: dict[str, Any]) -> str:
    """Markdown as GitHub and GitLab show it; everything from the target is in code spans or escaped."""
    parts = [_head(report), *(_finding(one) for one in report["findings"]), _series(report), _rest(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def code(text: object) -> str:
    """A code span that its content cannot leave, also inside a table."""
    return "`" + plain(text).replace("`", "'").replace("|", "¦") + "`"


def prose(text: object) -> str:
    """Text in which nothing is markup."""
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_[]|#@!" else char for char in escaped)


def _head(report: dict[str, Any]) -> str:
    run, mark = report["run"], MARKS[report["verdict"]]
    facts = [
        f"run {run['id']}",
        f"{run['cycles']} cycles of {duration(run['cycle_seconds'])}",
        run["started"],
        *([f"version {code(run['version'][:12])}"] if run["version"] else []),
        *([run["status"]] if run["status"] != "completed" else []),
    ]
    head = f"### {mark} soak: {report['verdict']}, {prose(run['name'])}"
    return f"{head}\n\n**{prose(report.get('summary', ''))}**\n\n<sub>{' · '.join(facts)}</sub>"


def _finding(finding: dict[str, Any]) -> str:
    title = TITLES.get(finding["kind"], finding["kind"])
    known = f" (accepted: {prose(finding['accepted']['reason'])})" if finding.get("accepted") else ""
    lines = [f"#### {title}{known}: {prose(finding['message'])}"]
    lines += [f"- {prose(fact)}" for fact in facts_of(finding)]
    if finding["sites"]:
        lines += ["", "| where | share | growth | 95 % | owner |", "|---|--:|--:|--:|---|"]
        lines += [_site_row(site, finding["unit"]) for site in shown_sites(finding)]
        lines += ["", _details(finding["sites"][0])]
    elif finding.get("no_sites"):
        lines.append(f"- {prose(finding['no_sites'])}")
    if finding.get("unexplained_share"):
        lines.append(f"\n{share(finding['unexplained_share'])} is unexplained.")
    return "\n".join(lines)


def _site_row(site: dict[str, Any], unit: str) -> str:
    cells = [
        code(site_name(site)),
        share(site["share"]) if has_share(site) else "-",
        rate(site["growth_per_hour"], unit) if has_share(site) else kept_rate(site),
        interval(site["ci95"], unit),
        prose(site["owner"]),
    ]
    return f"| {' | '.join(cells)} |"


def _details(site: dict[str, Any]) -> str:
    """The traceback of the first site, folded away."""
    frames = "\n".join(
        f"  {plain(frame_name(frame))}" + (f"\n    {plain(frame['code'])}" if frame.get("code") else "")
        for frame in site["traceback"]
    )
    held = "\n".join("held by: " + plain(" -> ".join(path)) for path in site["held_by"][:3])
    fence = "~" * max(3, 1 + _longest_run(frames + held, "~"))
    body = f"{fence}text\n{frames}\n{held}".rstrip() + f"\n{fence}"
    return f"<details><summary>traceback of the first</summary>\n\n{body}\n\n</details>"


def _longest_run(text: str, char: str) -> int:
    longest = run = 0
    for one in text:
        run = run + 1 if one == char else 0
        longest = max(longest, run)
    return longest


def _series(report: dict[str, Any]) -> str:
    rows = [row for row in report["series"] if row["gates"]]
    if not rows:
        return ""
    lines = ["| series | floors by cycle | growth/h | 95 % | limit/h | verdict |", "|---|---|--:|--:|--:|---|"]
    for row in rows:
        cells = [
            code(row["name"]),
            spark(floors_of(report, row["name"])),
            rate(row["growth_per_hour"], row["unit"]),
            interval(row["ci95"], row["unit"]),
            amount(row["limit_per_hour"], row["unit"]),
            "accepted" if row.get("accepted") else row["verdict"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _rest(report: dict[str, Any]) -> str:
    lines = [f"- Evidence: {prose(one['message'])}" for one in report["evidence"]]
    warned = {code for row in report["series"] if row["gates"] for code in row["warnings"]}
    lines += [f"- {prose(meaning(one))}" for one in sorted(warned)]
    lines += [f"- {prose(line[:1].upper() + line[1:])}" for line in service_lines(report)]
    lines += [f"- Next: {prose(step)}" for step in report.get("next_steps", [])]
    return "\n".join(lines)
