"""The curves of fork_cost as a picture: host time, cycles and frames against entries and against areas,
all axes logarithmic, SVG without any library."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.fork_cost import Cost

WIDTH, HEIGHT, MARGIN = 420, 320, 56
#: What is measured, by field of Cost: the row's heading.
ROWS = {"us": "Host time of one fork, µs", "cycles": "Cycles (i486)", "frames": "Frames"}
COLOURS = {"cow": "#1f5fa8", "eager": "#c0392b"}


def _panel(series: dict[str, list[Cost]], by: str, of: str, left: int, top_: int) -> list[str]:
    points = [cost for costs in series.values() for cost in costs]
    xs = [math.log10(getattr(c, by)) for c in points]
    ys = [math.log10(max(getattr(c, of), 1)) for c in points]
    x0, x1 = math.floor(min(xs)), math.ceil(max(xs))
    y0 = math.floor(min(ys))
    y1 = max(math.ceil(max(ys)), y0 + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        px = left + MARGIN + (x - x0) / (x1 - x0) * (WIDTH - MARGIN - 20)
        py = top_ + HEIGHT - MARGIN - (y - y0) / (y1 - y0) * (HEIGHT - MARGIN - 40)
        return round(px, 1), round(py, 1)

    parts = []
    for x in range(x0, x1 + 1):
        (px, bottom), (_, top) = at(x, y0), at(x, y1)
        parts.append(f'<line x1="{px}" y1="{bottom}" x2="{px}" y2="{top}" stroke="#ddd"/>')
        parts.append(f'<text x="{px}" y="{bottom + 18}" text-anchor="middle">{10**x:,}</text>')
    for y in range(y0, y1 + 1):
        (start, py), (end, _) = at(x0, y), at(x1, y)
        parts.append(f'<line x1="{start}" y1="{py}" x2="{end}" y2="{py}" stroke="#ddd"/>')
        label = f"{10**y:,}" if y < 6 else f"{10 ** (y - 6):,} M"
        parts.append(f'<text x="{start - 6}" y="{py + 4}" text-anchor="end">{label}</text>')
    for mode, costs in series.items():
        line = [at(math.log10(getattr(c, by)), math.log10(max(getattr(c, of), 1))) for c in costs]
        path = " ".join(f"{x},{y}" for x, y in line)
        colour = COLOURS[mode]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in line]
        last_x, last_y = line[-1]
        parts.append(
            f'<text x="{last_x - 8}" y="{last_y - 8}" text-anchor="end" fill="{colour}">{mode}</text>'
        )
    middle = left + MARGIN + (WIDTH - MARGIN - 20) / 2
    parts.append(f'<text x="{middle}" y="{top_ + HEIGHT - 16}" text-anchor="middle">{by}</text>')
    return parts


def chart(by_entries: dict[str, list[Cost]], by_areas: dict[str, list[Cost]]) -> str:
    """An SVG of what one fork costs against present entries and against areas."""
    width, height = 2 * WIDTH, len(ROWS) * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, (of, title) in enumerate(ROWS.items()):
        top = number * HEIGHT
        parts.append(
            f'<text x="{WIDTH}" y="{top + 22}" text-anchor="middle" font-size="14">{title}</text>'
        )
        parts += _panel(by_entries, "entries", of, 0, top)
        parts += _panel(by_areas, "areas", of, WIDTH, top)
    return "\n".join([*parts, "</svg>"]) + "\n"
