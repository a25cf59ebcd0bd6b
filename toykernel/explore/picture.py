"""The graph of an exploration as a picture (SVG), and as a page with the outcomes in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from toykernel.explore.ending import End, Ending
from toykernel.explore.failures import move_text
from toykernel.explore.fold import Folded, Vertex, fold
from toykernel.explore.graph import Graph
from toykernel.explore.layout import Layout, lay_out
from toykernel.explore.report import CowPage, Race, Row, as_text
from toykernel.explore.search import Found

_FONT = 'font-family="DejaVu Sans Mono, Consolas, monospace"'
_MARGIN, _HEAD, _LINE, _LETTER = 20, 78, 14, 7.3
#: Of an output in a box: lines, and letters of each.
_LINES, _LETTERS = 5, 28
_FILL = {End.FINISHED: "#e3f4e1", End.DEADLOCK: "#fbdcd9"}
_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:1.5em;color:#1a1a1a;background:#fff}
pre{background:#f4f4f4;padding:.8em;overflow:auto} svg{max-width:100%;height:auto}
svg a:hover rect,svg a:focus rect{stroke-width:3} nav a{margin-right:1em}"""


def svg(found: Found, table: Sequence[Row], program: str, pages: Sequence[str] = ()) -> str:
    """The graph; `pages` are addresses, one for each outcome of the table, to which its box leads."""
    folded = fold(found.graph)
    numbers: dict[Vertex, int] = {row.ending: n for n, row in enumerate(table)}
    words = [_words(one, numbers, folded, found.graph) for one in folded.vertices]
    sizes = [
        (max(len(line) for line in lines) * _LETTER + 16, len(lines) * _LINE + 10.0)
        for lines in words
    ]
    at = {vertex: n for n, vertex in enumerate(folded.vertices)}
    layout = lay_out(sizes, [(at[arrow.source], at[arrow.to]) for arrow in folded.arrows])
    head = _head(found, folded, program)
    width = round(max(layout.width, max(map(len, head)) * _LETTER) + 2 * _MARGIN)
    height = round(layout.height + _HEAD + _LINE * len(head) + 2 * _MARGIN - 50)
    parts = [
        _text(_MARGIN, 24 + _LINE * n, line, bold=n == 0, anchor="start")
        for n, line in enumerate(head)
    ]
    right, down = (width - layout.width) / 2, height - _MARGIN - layout.height
    parts.append(f'<g transform="translate({right:g} {down:g})">')
    parts += _arrows(folded, layout)
    for vertex, lines, box in zip(folded.vertices, words, layout.boxes, strict=True):
        fill = "#ffffff" if isinstance(vertex, int) else _FILL.get(vertex.end, "#fff0c2")
        made = [
            f'<rect x="{box.x - box.width / 2:g}" y="{box.y - box.height / 2:g}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="{4 if isinstance(vertex, int) else 0}" fill="{fill}" '
            f'stroke="#444444"/>'
        ]
        top = box.y - box.height / 2 + 5 + _LINE - 3
        made += [
            _text(box.x, top + _LINE * n, line, bold=n == 0 and not isinstance(vertex, int))
            for n, line in enumerate(lines)
        ]
        if pages and not isinstance(vertex, int):
            made = [f'<a href="{escape(pages[numbers[vertex]], quote=True)}">', *made, "</a>"]
        parts += made
    title = escape(f"{program}: every order of its tasks")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{title}">\n<title>{title}</title>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#444444"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</g>\n</svg>\n"
    )


def html(
    found: Found,
    table: Sequence[Row],
    races: Sequence[Race],
    cow: Sequence[CowPage],
    program: str,
    pages: Sequence[str] = (),
) -> str:
    """A page with the graph and all that is said of the outcomes; it needs no other file but `pages`."""
    links = "".join(
        f'<a href="{escape(page, quote=True)}">outcome {n}, moment by moment</a>\n'
        for n, page in enumerate(pages, start=1)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(program)}: every order</title>\n<style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(program)}: every order of its tasks</h1>\n"
        + svg(found, table, program, pages)
        + (f"<nav>\n{links}</nav>\n" if links else "")
        + f"<h2>Outcomes</h2>\n<pre>{escape(as_text(found, table, races, cow))}</pre>\n</body></html>\n"
    )


def _head(found: Found, folded: Folded, program: str) -> list[str]:
    """What is drawn, and what is not."""
    states = len(found.graph.nodes)
    lines = [
        f"{program}: every order of its tasks",
        "A box is a state with a choice; at an arrow stands the pid that goes on"
        " (time: a timer expires). Outcomes have their output.",
    ]
    if any(arrow.through for arrow in folded.arrows):
        lines.append(
            f"Dashed arrows pass {folded.inside:,} of the {states:,} states:"
            " whatever is chosen there, it leads to the same place."
        )
    if folded.left_out or folded.left_out_ends:
        lines.append(
            f"Not drawn for want of room: {folded.left_out:,} states and"
            f" {folded.left_out_ends:,} outcomes; “+2” are two arrows to these."
        )
    if folded.untried:
        lines.append("“?2” are two choices that were not tried, since a bound was met.")
    if not found.complete:
        lines.append(f"Not complete: stopped by {', '.join(found.bounds)}.")
    return lines


def _words(vertex: Vertex, numbers: dict[Vertex, int], folded: Folded, graph: Graph) -> list[str]:
    if isinstance(vertex, Ending):
        return [f"{numbers[vertex] + 1}. {vertex.how}", *_output(vertex)]
    text = str(vertex)
    if vertex in folded.more:
        text += f" +{folded.more[vertex]}"
    if vertex in folded.untried:
        text += f" ?{folded.untried[vertex]}"
    return [text]


def _output(ending: Ending) -> list[str]:
    lines = ending.stdout.decode("utf-8", "backslashreplace").splitlines()
    if not lines:
        return ["(no output)"]
    shown = ["".join(letter if letter.isprintable() else "·" for letter in line) for line in lines]
    shown = [line if len(line) <= _LETTERS else f"{line[: _LETTERS - 1]}…" for line in shown]
    return shown if len(shown) <= _LINES else [*shown[: _LINES - 1], "…"]


def _arrows(folded: Folded, layout: Layout) -> list[str]:
    lines, labels = [], []
    for arrow, points in zip(folded.arrows, layout.routes, strict=True):
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        dash = ' stroke-dasharray="5 3"' if arrow.through else ""
        lines.append(
            f'<path d="{path}" fill="none" stroke="#444444"{dash} marker-end="url(#tip)"/>'
        )
        (x, y), (to_x, to_y) = points[:2]
        part = min(16 / max(abs(to_y - y), 1), 0.4)
        text = ", ".join(map(move_text, arrow.pids))
        at_x, at_y = x + (to_x - x) * part, y + (to_y - y) * part
        wide = len(text) * 6 + 4
        labels.append(
            f'<rect x="{at_x - wide / 2:g}" y="{at_y - 6:g}" width="{wide}" height="12" fill="#ffffff" '
            f'class="label"/>'
        )
        labels.append(_text(at_x, at_y + 4, text, size=10, fill="#0b57d0"))
    return lines + labels


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    bold: bool = False,
    anchor: str = "middle",
    fill: str = "#1a1a1a",
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" {_FONT} fill="{fill}"'
        f'{weight} xml:space="preserve">{escape(text)}</text>'
    )
