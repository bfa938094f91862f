"""SVG elements as text: everything that goes in is escaped, nothing can come out as markup that was not meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

Point = tuple[float, float]


def tag(name: str, *children: str | Markup | None, **attributes: object) -> Markup:
    """An element; `klass` is the attribute class, an underscore in a name is a hyphen. None is left out."""
    named = {"class" if key == "klass" else key.replace("_", "-"): value for key, value in attributes.items()}
    inside = Markup("").join(escape(child) for child in children if child is not None)
    listed = Markup("").join(Markup(' {}="{}"').format(key, text(v)) for key, v in named.items() if v is not None)
    return Markup("<{0}{1}>{2}</{0}>").format(name, listed, inside)


def text(value: object) -> str:
    """Coordinates to a tenth of a pixel: a page holds thousands of them."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def path(points: Iterable[Point], close: bool = False) -> str:
    """The path through `points`."""
    drawn = "L".join(f"{text(float(x))},{text(float(y))}" for x, y in points)
    return f"M{drawn}{'Z' if close else ''}" if drawn else ""


def stretches(columns: Sequence[tuple[float, float | None, float | None]]) -> list[list[tuple[float, float, float]]]:
    """Runs of (x, low, high) between gaps: a gap is not drawn over."""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for x, low, high in columns:
        if low is None or high is None:
            if runs[-1]:
                runs.append([])
        else:
            runs[-1].append((x, low, high))
    return [run for run in runs if run]


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers between `low` and `high`."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10.0 ** len(str(int(span / wanted))) / 10 if span / wanted >= 1 else 1.0
    while step > span / wanted:
        step /= 10
    step *= next((factor for factor in (1, 2, 5, 10) if step * factor >= span / wanted), 10)
    first = -(-low // step) * step
    count = int((high - first) / step + 1e-9) + 1
    return [first + step * number for number in range(max(count, 0))]
