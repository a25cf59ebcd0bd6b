"""Where the boxes of a graph go: rows from top to bottom, with few crossings (after Sugiyama, 1981).

An arrow over several rows gets a point in each row between, which keeps its place free of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_SWEEPS = 12
#: Free space beside a box, between rows, and the width that a passing arrow has.
GAP, ROW_GAP, PASSING = 14.0, 46.0, 12.0


@dataclass(frozen=True)
class Box:
    """Centre and size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """`routes` has the points of each arrow, from the edge of one box to the edge of the other."""

    boxes: list[Box]
    routes: list[list[tuple[float, float]]]
    width: float
    height: float


def lay_out(sizes: Sequence[tuple[float, float]], arrows: Sequence[tuple[int, int]]) -> Layout:
    """Boxes of these sizes; arrows by the numbers of their boxes. Box 0 comes first."""
    back = _back(len(sizes), arrows)
    down = [(b, a) if (a, b) in back else (a, b) for a, b in arrows]
    rows = _rows(len(sizes), [(a, b) for a, b in down if a != b])
    widths = [width for width, _ in sizes]
    row_of = list(rows)
    chains: list[list[int]] = []
    for a, b in down:
        chain = [a]
        for row in range(rows[a] + 1, rows[b]):
            chain.append(len(widths))
            widths.append(PASSING)
            row_of.append(row)
        chains.append([*chain, b])
    order: list[list[int]] = [[] for _ in range(max(row_of, default=-1) + 1)]
    for number, row in enumerate(row_of):
        order[row].append(number)
    above: list[list[int]] = [[] for _ in widths]
    below: list[list[int]] = [[] for _ in widths]
    for chain in chains:
        for a, b in pairwise(chain):
            if a != b:
                below[a].append(b)
                above[b].append(a)
    _uncross(order, above, below)
    x = _columns(order, widths, above, below)
    tops, y = [], 0.0
    for line in order:
        height = max((sizes[one][1] for one in line if one < len(sizes)), default=0.0)
        tops.append((y, height))
        y += height + ROW_GAP
    boxes = [
        Box(x[one], tops[rows[one]][0] + height / 2, width, height)
        for one, (width, height) in enumerate(sizes)
    ]
    routes = []
    for (a, b), (start, end), chain in zip(arrows, down, chains, strict=True):
        points = [(x[start], boxes[start].y + boxes[start].height / 2)]
        for one in chain[1:-1]:
            top, height = tops[row_of[one]]
            points += [(x[one], top), (x[one], top + height)]
        points.append((x[end], boxes[end].y - boxes[end].height / 2))
        if a == b:
            points = _loop(boxes[a])
        routes.append(points if (a, b) == (start, end) else points[::-1])
    return Layout(boxes, routes, _width(x, widths), max(y - ROW_GAP, 0.0))


def _loop(box: Box) -> list[tuple[float, float]]:
    right = box.x + box.width / 2
    return [
        (right, box.y - 5),
        (right + 10, box.y - 5),
        (right + 10, box.y + 5),
        (right, box.y + 5),
    ]


def _back(count: int, arrows: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Arrows that close a circle, found depth first."""
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in arrows:
        after[a].append(b)
    found: set[tuple[int, int]] = set()
    done: dict[int, bool] = {}
    for first in range(count):
        if first in done:
            continue
        done[first] = False
        stack = [(first, iter(after[first]))]
        while stack:
            at, rest = stack[-1]
            to = next(rest, None)
            if to is None:
                done[at] = True
                stack.pop()
            elif to not in done:
                done[to] = False
                stack.append((to, iter(after[to])))
            elif not done[to]:
                found.add((at, to))
    return found


def _rows(count: int, down: Sequence[tuple[int, int]]) -> list[int]:
    """Each below all that lead to it."""
    rows = [0] * count
    changed = True
    while changed:
        changed = False
        for a, b in down:
            if rows[b] <= rows[a]:
                rows[b] = rows[a] + 1
                changed = True
    return rows


def _uncross(
    order: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Put each between its neighbours in the row before, down and up again."""
    for sweep in range(_SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for row in order if sweep % 2 == 0 else order[::-1]:
            place = {one: n for line in order for n, one in enumerate(line)}
            middle = {one: _mean([place[n] for n in neighbours[one]], place[one]) for one in row}
            row.sort(key=middle.__getitem__)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _columns(
    order: Sequence[Sequence[int]],
    widths: Sequence[float],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
) -> list[float]:
    """The middle of each: near its neighbours' mean, without touching who is beside it."""
    x = [0.0] * len(widths)
    for row in order:
        _spread(row, [0.0] * len(row), widths, x)
    for sweep in range(_SWEEPS):
        for row in order if sweep % 2 == 0 else order[::-1]:
            wanted = [_mean([x[n] for n in (*above[one], *below[one])], x[one]) for one in row]
            _spread(row, wanted, widths, x)
    left = min((x[one] - widths[one] / 2 for row in order for one in row), default=0.0)
    return [round(value - left, 1) for value in x]


def _spread(
    row: Sequence[int], wanted: Sequence[float], widths: Sequence[float], x: list[float]
) -> None:
    """Places in a row as near to the wanted ones as they can be: groups that would overlap are put at the
    mean of what their members want."""
    groups: list[
        tuple[float, list[tuple[int, float]]]
    ] = []  # sum of wanted lefts; members, offsets
    for one, middle in zip(row, wanted, strict=True):
        width = widths[one] + GAP
        total, members = middle - width / 2, [(one, 0.0)]
        while groups:
            last_total, last = groups[-1]
            end = last_total / len(last) + last[-1][1] + widths[last[-1][0]] + GAP
            if end <= total / len(members) + 1e-9:
                break
            groups.pop()
            offset = last[-1][1] + widths[last[-1][0]] + GAP
            total = last_total + total - offset * len(members)
            members = [*last, *((other, at + offset) for other, at in members)]
        groups.append((total, members))
    for total, members in groups:
        for one, at in members:
            x[one] = total / len(members) + at + (widths[one] + GAP) / 2


def _width(x: Sequence[float], widths: Sequence[float]) -> float:
    return max((x[one] + widths[one] / 2 for one in range(len(widths))), default=0.0)
