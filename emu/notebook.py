"""How records show themselves in a notebook: a caption over a table of two or more columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(caption: str, rows: Iterable[Sequence[object]], head: Sequence[str] = ()) -> str:
    """HTML for `_repr_html_`; every cell is escaped, the first of a row without `head` is its name."""
    from html import escape  # only a notebook needs it

    parts = [f"<table><caption>{escape(caption)}</caption>"]
    if head:
        parts.append("<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>")
    for first, *rest in rows:
        tag = "td" if head else "th"
        cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        parts.append(f"<tr><{tag}>{escape(str(first))}</{tag}>{cells}</tr>")
    return "".join([*parts, "</table>"])


def number(value: int | None) -> str:
    """An address in hex, `-` for none."""
    return "-" if value is None else f"{value:#010x}"
