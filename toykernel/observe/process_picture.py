"""The picture of a run's processes, as SVG: a row for each task, time from left to right.

Where nobody runs for long, the time axis is broken: a sleep of a second takes as little room there as any
other, and what happens before and after it can still be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from toykernel.observe.process_life import Life

ROW, BAR, LEFT, RIGHT, TOP, SPAN = 26, 12, 190, 150, 72, 860
#: The width of a break in the axis; and the share of the busy time that a pause must have to be one.
BREAK, LONG = 26, 0.2
COLOURS = {
    "running": "#1f5fa8",
    "runnable": "#8fb6e0",
    "sleeping": "#e6eaf0",
    "zombie": "#e4b7b0",
    "line": "#888888",
    "exec": "#222222",
    "cow_copied": "#c0392b",
    "cow_reused": "#2e8b57",
    "fault": "#8a8a8a",
}
BARS = (
    ("running", "on the CPU"),
    ("runnable", "runnable: waits for the CPU"),
    ("sleeping", "asleep or stopped"),
    ("zombie", "zombie"),
)
#: By kind of mark: which way its triangle points, and what it stands for.
MARKS = (
    ("cow_copied", "page copied on write"),
    ("cow_reused", "page reused on write"),
    ("fault", "other page fault"),
)


@dataclass(frozen=True)
class Scale:
    """Cycles to pixels, in stretches (from, to, left, right); those in `broken` are pauses cut short."""

    stretches: tuple[tuple[int, int, float, float], ...]
    broken: frozenset[int]

    def x(self, cycles: int) -> float:
        """Pixels from the left at which a moment (in cycles) lies."""
        since, until, left, right = next(
            (one for one in self.stretches if cycles <= one[1]), self.stretches[-1]
        )
        share = (max(cycles, since) - since) / max(until - since, 1)
        return round(left + min(share, 1.0) * (right - left), 1)

    @property
    def per_cycle(self) -> float:
        """Pixels of a cycle outside the breaks."""
        whole = [s for index, s in enumerate(self.stretches) if index not in self.broken]
        cycles = sum(until - since for since, until, _, _ in whole)
        return sum(right - left for _, _, left, right in whole) / max(cycles, 1)


def make_scale(lives: Iterable[Life], start: int, end: int) -> Scale:
    """With breaks where no task is on the CPU for long."""
    turns = sorted(turn for life in lives for turn in life.turns)
    pauses, at = [], start
    for since, until in turns:
        if since > at:
            pauses.append((at, since))
        at = max(at, until)
    if end > at:
        pauses.append((at, end))
    busy = max(end - start - sum(until - since for since, until in pauses), 1)
    long = [(since, until) for since, until in pauses if until - since > LONG * busy]
    room = SPAN - BREAK * len(long)
    if not turns or room < SPAN // 2:  # as many breaks as that make nothing clearer
        long, room = [], SPAN
    cycles = end - start - sum(until - since for since, until in long)
    cuts = [start, *(moment for pause in long for moment in pause), end]
    stretches: list[tuple[int, int, float, float]] = []
    broken = set()
    left = float(LEFT)
    for since, until in pairwise(cuts):
        if (since, until) in long:
            broken.add(len(stretches))
            right = left + BREAK
        else:
            right = left + room * (until - since) / max(cycles, 1)
        stretches.append((since, until, left, right))
        left = right
    return Scale(tuple(stretches), frozenset(broken))


def svg(rows: Sequence[tuple[int, Life]], cycles: int, instructions: int) -> str:
    """The picture of these tasks, each with its depth; the clock's figures are those of the summary."""
    start = min((life.born for _, life in rows), default=0)
    end = max(cycles, start + 1)
    scale = make_scale((life for _, life in rows), start, end)
    bottom = TOP + ROW * len(rows)
    width, height = LEFT + SPAN + RIGHT, bottom + 40
    title = f"Processes: {instructions:,} instructions, {cycles:,} cycles"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{title}</text>',
        *_legend(),
        *_axis(scale, bottom),
    ]
    place = {life.number: index for index, (_, life) in enumerate(rows)}
    for index, (depth, life) in enumerate(rows):
        y = TOP + ROW * index
        if life.parent is not None:
            parent_y = TOP + ROW * place[life.parent] + BAR
            path = f"M{scale.x(life.born)} {parent_y}V{y + BAR // 2}"
            parts.append(f'<path d="{path}" stroke="{COLOURS["line"]}" fill="none"/>')
        parts += _life(life, depth, y, end, scale)
    return "\n".join([*parts, *_breaks(scale, bottom), "</svg>"]) + "\n"


def _legend() -> list[str]:
    """Every colour and every mark, in two lines."""
    parts = []
    at = 10
    for what, text in BARS:
        parts.append(f'<rect x="{at}" y="33" width="12" height="12" fill="{COLOURS[what]}"/>')
        parts.append(f'<text x="{at + 17}" y="43">{text}</text>')
        at += 40 + 6 * len(text)
    for kind, text in MARKS:
        parts.append(_mark(kind, at + 6, 45))
        parts.append(f'<text x="{at + 15}" y="43">{text}</text>')
        at += 36 + 6 * len(text)
    parts.append(f'<path d="M{at + 4} 31v16" stroke="{COLOURS["exec"]}"/>')
    parts.append(f'<text x="{at + 11}" y="43">exec</text>')
    at += 52
    parts.append(f'<path d="M{at} 46v-8h10" stroke="{COLOURS["line"]}" fill="none"/>')
    parts.append(f'<text x="{at + 15}" y="43">fork</text>')
    at += 50
    zigzag = "l3 4l-3 4" * 2
    parts.append(f'<path d="M{at} 31{zigzag}" stroke="{COLOURS["line"]}" fill="none"/>')
    parts.append(f'<text x="{at + 8}" y="43">sleep left out</text>')
    return parts


def _short(cycles: int) -> str:
    """A number of cycles in four characters or so."""
    for unit, name in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if cycles >= unit:
            return f"{cycles / unit:.3g}{name}"
    return str(cycles)


def _mark(kind: str, x: float, y: float, tip: str = "") -> str:
    """A small triangle that points up, to a bar that ends at y - 4."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    shape = f'd="M{round(x - 3.5, 1)} {y}h7l-3.5 -6z" fill="{COLOURS[kind]}"'
    return f'<path class="{kind}" {shape}>{title}</path>'


def _axis(scale: Scale, bottom: int) -> list[str]:
    step = 1
    while step * scale.per_cycle < SPAN / 10:
        step *= 10
    parts = []
    free = 0.0  # labels must not lie over each other
    for index, (since, until, _, _) in enumerate(scale.stretches):
        if index in scale.broken:
            continue
        for tick in range(-(-since // step) * step, until + 1, step):
            at = scale.x(tick)
            text = f"{tick:,}"
            parts.append(f'<path d="M{at} {TOP - 8}V{bottom}" stroke="#eeeeee"/>')
            if at - 3 * len(text) >= free:
                parts.append(f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
                free = at + 3 * len(text) + 6
    return parts


def _breaks(scale: Scale, bottom: int) -> list[str]:
    """A white band with two zigzag edges over all rows, and how much is left out."""
    parts = []
    for index in sorted(scale.broken):
        since, until, left, right = scale.stretches[index]
        left, right = round(left + 7, 1), round(right - 7, 1)
        teeth = max((bottom - TOP + 12) // 8, 1)
        edge = "l3 4l-3 4" * teeth
        back = "l3 -4l-3 -4" * teeth
        tip = f"{until - since:,} cycles left out: nobody runs"
        parts.append(
            f'<path class="break" d="M{left} {TOP - 8}{edge}H{right}{back}z" fill="white" '
            f'stroke="{COLOURS["line"]}"><title>{tip}</title></path>'
        )
        middle = round((left + right) / 2, 1)
        parts.append(
            f'<text x="{middle}" y="{bottom + 30}" text-anchor="middle" font-size="9" '
            f'fill="#555555">{_short(until - since)}</text>'
        )
    return parts


def _life(life: Life, depth: int, y: int, end: int, scale: Scale) -> list[str]:
    dead = life.died if life.died is not None else end
    gone = life.released if life.released is not None else end
    high = BAR // 2 if life.thread else BAR
    top = y + (BAR - high) // 2

    def bar(since: int, until: int, what: str) -> str:
        x = scale.x(since)
        wide = max(round(scale.x(until) - x, 1), 0.5)
        place = f'x="{x}" y="{top}" width="{wide}" height="{high}"'
        return f'<rect class="{what}" {place} fill="{COLOURS[what]}"/>'

    parts = [f"<g><title>{escape(_tip(life))}</title>", bar(life.born, dead, "sleeping")]
    if gone > dead:
        parts.append(bar(dead, gone, "zombie"))
    for what, spans in (("runnable", life.ready), ("running", life.turns)):
        parts += [bar(since, min(until, dead), what) for since, until in spans if since < dead]
    for at, path in life.execs:
        line = f'd="M{scale.x(at)} {y - 2}v{BAR + 4}" stroke="{COLOURS["exec"]}"'
        title = f"<title>exec {escape(path)} at {at:,}</title>"
        parts.append(f'<path class="exec" {line}>{title}</path>')
    parts += _faults(life, y, scale)
    label = f"{life.pid} {life.comm}"
    parts.append(f'<text x="{10 + 12 * depth}" y="{y + BAR - 2}">{escape(label)}</text>')
    note = life.end or "still there"
    parts.append(
        f'<text x="{scale.x(gone) + 5}" y="{y + BAR - 2}" fill="#555555">{escape(note)}</text></g>'
    )
    return parts


def _faults(life: Life, y: int, scale: Scale) -> list[str]:
    """A mark for each kind of fault at each place; those that fall together tell how many they are."""
    groups: dict[tuple[str, float], list[str]] = {}
    for at, kind, address in life.faults:
        shown = kind if kind in COLOURS else "fault"
        groups.setdefault((shown, scale.x(at)), []).append(
            f"{kind} at {address:#010x}, cycle {at:,}"
        )
    parts = []
    for (kind, x), tips in groups.items():
        more = f" and {len(tips) - 1} more" if len(tips) > 1 else ""
        parts.append(_mark(kind, x, y + BAR + 8, tips[0] + more))
    return parts


def _tip(life: Life) -> str:
    kind = "thread" if life.thread else "process"
    ran = sum(until - since for since, until in life.turns)
    waited = sum(until - since for since, until in life.ready)
    copied = sum(kind == "cow_copied" for _, kind, _ in life.faults)
    text = (
        f"{kind} {life.pid} ({life.comm}), born at {life.born:,}, ran {ran:,}, "
        f"waited {waited:,} for the CPU, {len(life.faults)} faults, {copied} pages copied"
    )
    return text if life.died is None else f"{text}, {life.end} at {life.died:,}"
