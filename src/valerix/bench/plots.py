"""Draws plots as SVG, without a library: lines over connections, and stacked columns of costs."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH, HEIGHT = 720, 360
LEFT, TOP, RIGHT, BOTTOM = 60, 40, 190, 50
COLOURS: Final = (
    "#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6", "#dd4477", "#66aa00",
    "#b82e2e", "#316395", "#994499", "#22aa99", "#aaaa11", "#6633cc", "#e67300", "#8b0707",
)  # fmt: skip
Series = Mapping[str, Sequence[tuple[float, float]]]


def lines(title: str, across: str, series: Series, mark: float | None = None) -> str:
    """Return a plot with one line for each series of (x, y).

    All series share the same few steps of x, evenly spaced. `mark`: a level to compare with.
    """
    steps = sorted({x for points in series.values() for x, _ in points})
    highest = max([y for points in series.values() for _, y in points] + [mark or 0, 1e-9]) * 1.1
    parts = [_axes(title, across, highest)]
    for place, step in enumerate(steps):
        parts.append(_text(_x(place, len(steps)), HEIGHT - BOTTOM + 16, f"{step:g}", "middle"))
    if mark is not None:
        level = _y(mark, highest)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" '
            'stroke="#888" stroke-dasharray="4 3"/>'
        )
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [(_x(steps.index(x), len(steps)), _y(y, highest)) for x, y in sorted(points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in drawn]
        parts.append(_key(number, name, colour))
    return _document(parts)


def stacks(title: str, across: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    """Return a plot of stacked columns, one per entry; a part has the same colour everywhere."""
    totals: dict[str, float] = {}
    for column in columns.values():
        for part, value in column.items():
            totals[part] = totals.get(part, 0.0) + value
    order = sorted(totals, key=lambda part: -totals[part])
    highest = max([sum(column.values()) for column in columns.values()] + [1e-9]) * 1.1
    parts = [_axes(title, across, highest)]
    wide = (WIDTH - LEFT - RIGHT) / max(len(columns), 1) * 0.6
    for place, (name, column) in enumerate(columns.items()):
        middle, below = _x(place, len(columns)), 0.0
        for number, part in enumerate(order):
            value = column.get(part, 0.0)
            top, bottom = _y(below + value, highest), _y(below, highest)
            parts.append(
                f'<rect x="{middle - wide / 2:.1f}" y="{top:.1f}" '
                f'width="{wide:.1f}" height="{bottom - top:.1f}" '
                f'fill="{COLOURS[number % len(COLOURS)]}">'
                f"<title>{escape(part)}: {value:.1f}</title></rect>"
            )
            below += value
        parts.append(_text(middle, HEIGHT - BOTTOM + 16, name, "middle"))
    parts += [
        _key(number, part, COLOURS[number % len(COLOURS)])
        for number, part in enumerate(order[: len(COLOURS)])
    ]
    return _document(parts)


def _axes(title: str, across: str, highest: float) -> str:
    drawn = [
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle"),
    ]
    for tenth in range(0, 11, 2):
        value = highest * tenth / 10
        y = _y(value, highest)
        drawn.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        )
        drawn.append(_text(LEFT - 6, y + 4, f"{value:.3g}", "end"))
    return "".join(drawn)


def _x(place: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(count, 1)


def _y(value: float, highest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / highest


def _key(number: int, name: str, colour: str) -> str:
    x, y = WIDTH - RIGHT + 16, TOP + 18 * number
    return f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>' + _text(
        x + 15, y, name, "start"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )
