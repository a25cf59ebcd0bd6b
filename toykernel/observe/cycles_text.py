"""A cycle profile for people: an annotated listing as text, the same as a page, and two runs compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

Data = Mapping[str, Any]
_EVENT_COLUMNS = ("count", "cycles", "hardware", "entry", "kernel", "idle", "least", "most")
_STYLE = (
    "body{font:14px/1.4 sans-serif;margin:2em auto;max-width:76em;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.1em .8em;text-align:right;"
    "border-bottom:1px solid #ddd}td.t,th.t{text-align:left;font-family:monospace;white-space:pre}"
    "caption{text-align:left;font-weight:bold;padding:.5em 0}"
)


def tables(data: Data) -> Iterator[tuple[str, Sequence[str], list[list[str]]]]:
    """(title, columns, rows): columns that start with `<` are text."""
    total = data["cycles"] or 1
    yield (
        f"{data['program']}: {data['cycles']:,} cycles, {data['instructions']:,} instructions "
        f"(profile {data['profile']}, table {(data['table'] or '')[:12]})",
        ("<rule", "cycles", "share"),
        [
            *([r, f"{n:,}", f"{n / total:.1%}"] for r, n in data["by_rule"].items()),
            ["total", f"{sum(data['by_rule'].values()):,}", "100.0%"],
        ],
    )
    yield (
        f"System calls, faults and interrupts of ring 3; {data['switches']} task switches",
        ("<what", *_EVENT_COLUMNS),
        [[name, *(f"{e[c]:,}" for c in _EVENT_COLUMNS)] for name, e in data["events"].items()],
    )
    yield (
        "Functions",
        ("<where", "<function", "instructions", "cycles", "share"),
        [
            [
                f["image"],
                f["function"],
                f"{f['executions']:,}",
                f"{f['cycles']:,}",
                f"{f['share']:.1%}",
            ]
            for f in data["functions"]
        ],
    )
    if data["unknown"]:
        yield (
            "Instructions without a row in the table, charged the documented default",
            ("<instruction", "executions"),
            [[name, f"{n:,}"] for name, n in data["unknown"].items()],
        )
    yield (
        "Listing",
        ("<address", "<bytes", "<instruction", "times", "cycles", "share", "<by rule", "<source"),
        [_listing_row(line) for line in data["lines"] if line["image"] == "program"],
    )


def _listing_row(line: Data) -> list[str]:
    rules = " ".join(f"{name}:{n}" for name, n in line["by_rule"].items())
    source = " ".join((line["source"] or "").split())
    return [
        f"{line['address']:08x}",
        line["bytes"],
        line["text"] if line["known"] else f"{line['text']} (no row)",
        f"{line['executions']:,}",
        f"{line['cycles']:,}",
        f"{line['share']:.1%}",
        rules,
        f"{line['line'] or ''}: {source}" if source else "",
    ]


def text(data: Data) -> str:
    out: list[str] = []
    for title, columns, rows in tables(data):
        cells = [[c.lstrip("<") for c in columns], *rows]
        widths = [max(len(row[n]) for row in cells) for n in range(len(columns))]
        out += [title, ""]
        for row in cells:
            parts = [
                cell.ljust(width) if column.startswith("<") else cell.rjust(width)
                for cell, width, column in zip(row, widths, columns, strict=True)
            ]
            out.append("  " + "  ".join(parts).rstrip())
        out.append("")
    return "\n".join(out)


def html(data: Data) -> str:
    """The tables as one self-contained page."""
    body: list[str] = []
    for title, columns, rows in tables(data):
        marks = [' class="t"' if c.startswith("<") else "" for c in columns]
        head = "".join(
            f"<th{m}>{escape(c.lstrip('<'))}</th>" for m, c in zip(marks, columns, strict=True)
        )
        lines = "\n".join(
            "<tr>"
            + "".join(f"<td{m}>{escape(x)}</td>" for m, x in zip(marks, r, strict=True))
            + "</tr>"
            for r in rows
        )
        body.append(
            f"<table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead>\n"
            f"<tbody>{lines}</tbody></table>"
        )
    name = escape(str(data["program"]))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Cycles of {name}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>Cycles of {name}</h1>\n"
        + "\n".join(body)
        + "</body></html>\n"
    )


def comparison(data: Data, other: Data) -> str:
    """This run beside another: by rule and by kind of trap, and the difference."""
    title = f"{data['program']} ({data['profile']}) against {other['program']} ({other['profile']})"
    out = [title, "", f"  {'':32} {'this':>14} {'other':>14} {'difference':>14}"]

    def row(name: str, mine: int, theirs: int) -> None:
        out.append(f"  {name:32} {mine:14,} {theirs:14,} {mine - theirs:+14,}")

    row("cycles", data["cycles"], other["cycles"])
    row("instructions", data["instructions"], other["instructions"])
    for rule in dict.fromkeys((*data["by_rule"], *other["by_rule"])):
        row(rule, data["by_rule"].get(rule, 0), other["by_rule"].get(rule, 0))
    out.append("")
    empty: dict[str, int] = {}
    for name in sorted({*data["events"], *other["events"]}):
        mine, theirs = data["events"].get(name, empty), other["events"].get(name, empty)
        row(f"{name}, times", mine.get("count", 0), theirs.get("count", 0))
        row(f"{name}, cycles", mine.get("cycles", 0), theirs.get("cycles", 0))
    return "\n".join(out) + "\n"
