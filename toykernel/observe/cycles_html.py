"""A cycle profile as one page that needs nothing else: tables that a click on a column sorts, with the
background of a row the darker the more of all cycles it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from toykernel.observe.cycles_text import tables

_STYLE = """\
body{font:13px/1.4 sans-serif;margin:1.5em auto;max-width:1140px;padding:0 1em}
table{border-collapse:collapse;margin:1em 0;max-width:100%}
td,th{padding:.1em .6em;text-align:right;border-bottom:1px solid #ddd;vertical-align:top;white-space:nowrap}
td.t,th.t{text-align:left;font-family:monospace;font-size:12px;white-space:pre-wrap;overflow-wrap:anywhere}
td.k,th.k{white-space:pre}
th{cursor:pointer;position:sticky;top:0;background:#fff}
th[aria-sort=ascending]::after{content:" \\25b4"}
th[aria-sort=descending]::after{content:" \\25be"}
caption{text-align:left;font-weight:bold;padding:.5em 0}
"""
#: Sorts by the number that a cell shows, most first, or by its text; rows of class `total` stay at the end.
_SCRIPT = """\
document.addEventListener("click", function (event) {
  const head = event.target.closest("th");
  if (!head) return;
  const body = head.closest("table").tBodies[0];
  const text = head.classList.contains("t");
  const first = text ? "ascending" : "descending";
  const again = head.getAttribute("aria-sort") === first;
  const down = (first === "descending") !== again;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.cells[head.cellIndex].textContent;
  const number = text => parseFloat(text.replace(/[,%]/g, ""));
  const rows = Array.from(body.rows);
  rows.sort(function (a, b) {
    const fixed = a.classList.contains("total") - b.classList.contains("total");
    if (fixed) return fixed;
    const order = text ? key(a).localeCompare(key(b)) : number(key(a)) - number(key(b));
    return down ? -order : order;
  });
  body.append(...rows);
});
"""
#: Text columns that are narrow by nature.
_NARROW = frozenset(("address", "where", "rule", "what", "function"))


def html(data: Mapping[str, Any], links: Mapping[str, str] | None = None) -> str:
    """The profile as one self-contained page. `links`: where the names of events lead to."""
    name = escape(str(data["program"]))
    body = "\n".join(_table(*one, links or {}) for one in tables(data))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Cycles of {name}</title>\n'
        f"<style>\n{_STYLE}</style></head>\n<body><h1>Cycles of {name}</h1>\n"
        f"<p>A click on a column sorts by it. Shares and colours are of all cycles.</p>\n"
        f"{body}\n<script>\n{_SCRIPT}</script></body></html>\n"
    )


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], links: Mapping[str, str]
) -> str:
    marks = [_class(column) for column in columns]
    head = "".join(
        f"<th{mark}>{escape(column.lstrip('<'))}</th>"
        for mark, column in zip(marks, columns, strict=True)
    )
    share = columns.index("share") if "share" in columns else None
    linked = links if columns[0] == "<what" else {}
    lines = []
    for row in rows:
        shown = [escape(cell) for cell in row]
        if row[0] in linked:
            shown[0] = f'<a href="{escape(linked[row[0]])}">{shown[0]}</a>'
        cells = "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks, shown, strict=True))
        total = row[0] == "total"
        colour = "" if share is None or total else _heat(float(row[share].rstrip("%")))
        mark = ' class="total"' if total else ""
        lines.append(f"<tr{mark}{colour}>{cells}</tr>")
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead>\n<tbody>"
        + "\n".join(lines)
        + "</tbody></table>"
    )


def _class(column: str) -> str:
    if not column.startswith("<"):
        return ""
    return ' class="t k"' if column[1:] in _NARROW else ' class="t"'


def _heat(percent: float) -> str:
    """Nothing below a thousandth of all cycles; full strength from a tenth on."""
    if percent < 0.1:
        return ""
    strength = min(percent / 10, 1.0) ** 0.5
    return f' style="background:rgba(231,76,60,{strength * 0.5:.2f})"'
