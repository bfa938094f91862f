"""A flame graph of growth: width is share of the growth, the outermost frame at the top, the guilty ones below."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from soak.report.svg import tag
from soak.report.units import rate, share
from soak.report.words import plain

WIDTH, ROW = 760.0, 19.0
CHAR = 6.6  # pixels of a letter at the size of the labels
THINNEST = 1.5  # pixels: below that nobody can point at it


@dataclass
class Node:
    """A frame in one place of the tree; `growth` per hour of everything that passes it."""

    label: str
    owner: str
    growth: float = 0.0
    children: dict[str, Node] = field(default_factory=dict)


def grow(tree: dict[str, Any]) -> Node:
    """The tree of frames, merged from stacks; frames of one function are one, whatever their line."""
    root = Node("all growth that has a place", "")
    for row in tree["stacks"]:
        root.growth += row["growth_per_hour"]
        node = root
        for place in row["frames"]:
            short, line, function, owner = tree["frames"][place]
            node = node.children.setdefault(f"{short}:{function}", Node(f"{short}:{line} {function}", owner))
            node.growth += row["growth_per_hour"]
    return root


def draw(tree: dict[str, Any], unit: str) -> Markup | None:
    """The flame graph as an SVG element whose frames can be reached with the keyboard; None without stacks."""
    root = grow(tree)
    if not root.growth > 0:
        return None
    parts: list[Markup] = []
    depth = _place(root, 0.0, WIDTH, 0, parts, root.growth, unit)
    return tag(
        "svg",
        tag("title", "Flame graph of growth: width is share of the growth"),
        *parts,
        klass="flame",
        viewBox=f"0 0 {WIDTH:.0f} {(depth + 1) * ROW:.0f}",
        role="group",
        aria_label="Flame graph of growth, outermost frame first",
    )


def _place(node: Node, left: float, width: float, depth: int, parts: list[Markup], whole: float, unit: str) -> int:
    """Draw `node` and what is below it; returns the deepest row."""
    said = f"{plain(node.label)}: {share(node.growth / whole)}, {rate(node.growth, unit)}"
    parts.append(_frame(node, left, width, depth, said))
    deepest, x = depth, left
    for child in sorted(node.children.values(), key=lambda one: -one.growth):
        part = width * child.growth / node.growth
        if part >= THINNEST:
            deepest = max(deepest, _place(child, x, part, depth + 1, parts, whole, unit))
        x += part
    return deepest


def _frame(node: Node, left: float, width: float, depth: int, said: str) -> Markup:
    room = int((width - 6) / CHAR)
    label = plain(node.label)
    shown = label if len(label) <= room else f"{label[: room - 1]}…" if room > 4 else ""
    kind = node.owner.split(" ")[0] or "all"
    return tag(
        "g",
        tag("title", said),
        tag("rect", klass=f"frame {kind}", x=left, y=depth * ROW, width=max(width - 1, 0.5), height=ROW - 1),
        tag("text", shown, klass="label", x=left + 3, y=depth * ROW + 13) if shown else None,
        tabindex="0",
        role="img",
        aria_label=said,
    )
