"""What an exploration has found, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from toykernel.explore.ending import End, Ending
from toykernel.explore.failures import move_of, move_text
from toykernel.explore.graph import switches
from toykernel.explore.schedule_file import choice_data
from toykernel.explore.search import Found
from toykernel.harness.runner import signal_name
from toykernel.kernel.sched.runqueue import Choice

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One outcome. `schedules` and `share` are None where they cannot be counted; `explanation` says who
    waits for whom, or what went wrong."""

    ending: Ending
    schedule: tuple[Choice, ...]
    schedules: int | None = None
    share: Fraction | None = None
    explanation: str = ""


@dataclass(frozen=True)
class Race:
    """Two instructions in front of which two tasks stood at once, and whose order counts."""

    first: str
    second: str
    what: str


@dataclass(frozen=True)
class CowPage:
    """A page of pid, at a linear address, that is written at `place`: in one order the write copies it, in
    another it finds nobody else who has it. Each schedule ends with the step of the write."""

    pid: int
    page: int
    place: str
    copied: tuple[Choice, ...]
    reused: tuple[Choice, ...]


def rows(found: Found) -> list[Row]:
    """Every outcome with its shortest schedule."""
    shortest, counts = found.graph.shortest(), found.graph.counts()
    made = []
    for ending in found.graph.endings():
        schedules, share = (None, None) if counts is None else counts[ending]
        if not found.complete or found.graph.has_faults:
            schedules = share = None
        made.append(Row(ending, shortest[ending], schedules, share))
    return made


def outputs(found: Sequence[Row]) -> list[bytes]:
    """The different standard outputs, in order."""
    return sorted({row.ending.stdout for row in found})


def as_json(
    found: Found,
    table: Sequence[Row],
    races: Sequence[Race],
    program: str,
    cow: Sequence[CowPage] = (),
) -> str:
    """Schema 1; fields are only added."""
    data = {
        "schema": SCHEMA,
        "program": program,
        "complete": found.complete,
        "bounds": list(found.bounds),
        "states": len(found.graph.nodes),
        "transitions": found.graph.transitions,
        "races": [asdict(race) for race in races],
        "cow": [_cow_data(one) for one in cow],
        "outcomes": [_row_data(row) for row in table],
    }
    return json.dumps(data, indent=1) + "\n"


def _row_data(row: Row) -> dict[str, Any]:
    ending = row.ending
    return {
        "stdout": ending.stdout.decode("utf-8", "backslashreplace"),
        "stderr": ending.stderr.decode("utf-8", "backslashreplace"),
        "end": str(ending.end),
        "status": ending.status,
        "signal": ending.signal,
        "deadlock": row.explanation if ending.end is End.DEADLOCK else None,
        "problem": row.explanation or None if ending.end is not End.DEADLOCK else None,
        "others": [_status_data(code) for code in ending.others],
        "zombies": ending.zombies,
        "orphans": ending.orphans,
        "schedules": row.schedules,
        "share": None if row.share is None else float(row.share),
        "switches": switches(row.schedule),
        "schedule": [choice_data(choice) for choice in row.schedule],
    }


def _cow_data(one: CowPage) -> dict[str, Any]:
    ways = {"copied": one.copied, "reused": one.reused}
    schedules = {kind: [choice_data(choice) for choice in way] for kind, way in ways.items()}
    return {"pid": one.pid, "page": one.page, "place": one.place, **schedules}


def _status_data(code: int) -> dict[str, int | None]:
    signal = code & 0x7F or None
    return {"status": code >> 8 if signal is None else None, "signal": signal}


def as_text(
    found: Found,
    table: Sequence[Row],
    races: Sequence[Race] = (),
    cow: Sequence[CowPage] = (),
) -> str:
    """For people."""
    different = len(outputs(table))
    states, steps = len(found.graph.nodes), found.graph.transitions
    lines = [
        f"{_many(len(table), 'outcome')} with {_many(different, 'output')}; "
        f"{_many(states, 'state')}, {_many(steps, 'transition')}",
        "complete: no other order of its tasks has another outcome"
        if found.complete
        else f"not complete, there may be more outcomes: stopped by {', '.join(found.bounds)}",
    ]
    for number, row in enumerate(table, start=1):
        lines += ["", f"{number}. {_head(row)}"]
        lines += _output_lines(row.ending)
        if row.explanation:
            lines.append(f"   {row.explanation}")
        lines.append(f"   schedule: {path_text(row.schedule)}")
    if races:
        lines += ["", f"{_many(len(races), 'race')}: two tasks can be at these at once"]
    for race in races:
        lines += [f"   {race.first}", f"   {race.second}", f"      {race.what}"]
    if cow:
        lines += ["", f"{_many(len(cow), 'page')}: one order copies it on write, another does not"]
    for one in cow:
        lines += [
            f"   {one.page:#x} of {one.pid}, {one.place}",
            f"      copied: schedule {path_text(one.copied)}",
            f"      not copied: schedule {path_text(one.reused)}",
        ]
    return "\n".join(lines) + "\n"


def _head(row: Row) -> str:
    ending = row.ending
    parts = [ending.how if ending.signal is None else f"killed by {signal_name(ending.signal)}"]
    if ending.end is not End.FINISHED and ending.status is not None:
        parts.append(f"program: status {ending.status}")
    if any(ending.others):
        parts.append(f"other processes: {', '.join(map(_status_text, ending.others))}")
    if ending.zombies:
        parts.append(f"{_many(ending.zombies, 'zombie')} left")
    if ending.orphans:
        parts.append(f"{_many(ending.orphans, 'orphan')} left")
    if row.schedules is not None and row.share is not None:
        parts.append(f"{_many(row.schedules, 'schedule')}, {float(row.share):.1%} by lot")
    return "; ".join(parts)


def _status_text(code: int) -> str:
    return signal_name(code & 0x7F) if code & 0x7F else str(code >> 8)


#: Characters that a terminal would obey.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}


def _output_lines(ending: Ending) -> list[str]:
    lines = []
    for stream, data in (("|", ending.stdout), ("2|", ending.stderr)):
        text = data.decode("utf-8", "backslashreplace")
        ended = text.endswith("\n")
        for line in text.split("\n")[: -1 if ended else None] if text else []:
            lines.append(f"   {stream} {line.translate(_VISIBLE)}")
        if text and not ended:
            lines[-1] += " (no newline)"
    return lines or ["   (no output)"]


def path_text(path: Sequence[Choice]) -> str:
    """Pids in a row, `2x3` for three times in a row the same, `2!4` where the fourth allocation fails."""
    if not path:
        return "any: there is nothing to choose"
    groups: list[list[int]] = []
    for choice in path:
        if groups and groups[-1][0] == move_of(choice):
            groups[-1][1] += 1
        else:
            groups.append([move_of(choice), 1])
    words = [move_text(move) + (f"x{times}" if times > 1 else "") for move, times in groups]
    return f"{' '.join(words)} ({_many(switches(path), 'switch', 'switches')})"


def _many(number: int, word: str, words: str = "") -> str:
    return f"{number:,} {word if number == 1 else words or word + 's'}"
