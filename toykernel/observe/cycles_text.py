"""A cycle profile for people: tables, an annotated listing, and two runs compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

Data = Mapping[str, Any]
_EVENT_COLUMNS = ("count", "cycles", "hardware", "entry", "kernel", "idle", "least", "most")


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
        "Functions: instructions executed; of the kernel's in Python, calls",
        ("<where", "<function", "executed", "cycles", "share"),
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
        [
            _listing_row(line, data["source"])
            for line in data["lines"]
            if line["image"] == "program"
        ],
    )


def _listing_row(line: Data, main: str | None) -> list[str]:
    """Its source with the file's name where that is not the program's own; behind > the line of a macro."""
    rules = " ".join(f"{name}:{n}" for name, n in line["by_rule"].items())
    source = " ".join((line["source"] or "").split())
    where = f"{line['line'] or ''}"
    if line["file"] != main:
        where = f"{PurePath(line['file'] or '').name}:{where}"
    place = f"{where}: {source}" if source else ""
    if line["macro"] is not None:
        inner = line["macro"]
        text = " ".join(inner["source"].split())
        place += f" > {PurePath(inner['file']).name}:{inner['line']}: {text}"
    return [
        f"{line['address']:08x}",
        line["bytes"],
        line["text"] if line["known"] else f"{line['text']} (no row)",
        f"{line['executions']:,}",
        f"{line['cycles']:,}",
        f"{line['share']:.1%}",
        rules,
        place,
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
