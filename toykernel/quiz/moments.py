"""Questions about one run: its processes, and what the machine looks like at a moment of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from emu.microcode import PF
from emu.paging import PTE_P
from emu.ram import PAGE_SHIFT
from toykernel.explain.codes import error_code
from toykernel.look.program import PROGRAM_PID
from toykernel.quiz.question import Question, of_numbers, of_several
from toykernel.show.format import Data, patched

_CHOICES = 5
_CODES = range(8)


class Moments:
    """A run that is over, from the lines of its events (docs/events.md)."""

    def __init__(self, lines: Iterable[str]) -> None:
        #: Events from the program's exec on, each with the state right after it.
        self.events: list[tuple[Data, Data]] = []
        self.last: Data = {}
        state: Data = {}
        begun = False
        for text in lines:
            data = json.loads(text)
            if "image" in data or "format" in data:
                continue
            state = data.get("state") or patched(state, data.get("delta", {}))
            if "number" not in data:
                self.last = data
                continue
            begun = begun or (data["kind"] == "exec" and data["pid"] == PROGRAM_PID)
            if begun:
                self.events.append((data, state))

    @property
    def whole(self) -> bool:
        """Whether nothing of the run is missing."""
        return not self.last["left_out"] and self.last["end"] != "stopped"


def process_question(moments: Moments, chance: Random) -> Question | None:
    """How many processes there are. None for a run of which something is missing."""
    if not moments.whole or not moments.events:
        return None
    count = len({tgid for _, state in moments.events for tgid in _processes(state)})
    forks = [
        f"pid {event['pid']} makes {event['child']}"
        for event, _ in moments.events
        if event["kind"] == "fork"
    ]
    return of_numbers(
        "processes",
        "When it is run, how many processes are there in all, the program's first one counted?",
        count,
        _near(count, chance),
        f"pid {PROGRAM_PID} is the first one; {', '.join(forks) or 'there is no fork'}",
    )


def parent_question(moments: Moments, chance: Random) -> Question | None:
    """Who is whose parent. None where the program never has a child."""
    found = [
        (event, state, pid)
        for event, state in moments.events
        for pid, task in state["tasks"].items()
        if int(pid) > PROGRAM_PID and task["tgid"] == int(pid)
    ]
    if not found:
        return None
    event, state, pid = chance.choice(found)
    right = state["tasks"][pid]["ppid"]
    others = [int(one) for one in state["tasks"] if one not in (pid, "0", str(right))]
    chosen = chance.sample(others, min(_CHOICES - 1, len(others)))
    if len(chosen) < 2:
        chosen += [one for one in (0, int(pid)) if one != right]
    first = next(one["pid"] for one, _ in moments.events if one.get("child") == int(pid))
    why = f"getppid of pid {pid} is {right} then; pid {first} has made it"
    if right != first:
        maker = state["tasks"].get(str(first))
        ended = maker is None or "exit_code" in maker
        why += ", and has ended since" if ended else ", as a child of another"
    text = f"{_moment(event)}: which pid is the parent of pid {pid}?"
    return of_numbers("parent", text, right, chosen, why)


def shared_question(moments: Moments, chance: Random) -> Question | None:
    """Which pages two processes share. None where there are never two with memory."""
    found = []
    for event, state in moments.events:
        owners = {
            space["users"][0]: space["entries"]
            for space in state["spaces"].values()
            if space["users"] and space["users"][0] >= PROGRAM_PID
        }
        found += [
            (event, state, one, other)
            for one in owners
            for other in owners
            if one < other and _frames(owners[one]) & _frames(owners[other])
        ]
    # Moments at which there is something to tell apart are better.
    telling = [it for it in found if not _is_plain(*it[1:])]
    if not found:
        return None
    event, state, one, other = chance.choice(telling or found)
    mine, theirs = _entries(state, one), _entries(state, other)
    pages = sorted(mine.keys() | theirs.keys())
    choices = []
    for address in chance.sample(pages, min(_CHOICES, len(pages))):
        frames = [entries.get(address, 0) >> PAGE_SHIFT for entries in (mine, theirs)]
        words = " and ".join(
            f"{'frame ' + format(frame, '#x') if frame else 'nothing there'} in pid {pid}"
            for frame, pid in zip(frames, (one, other), strict=True)
        )
        text = f"0x{address} {_area(state, one, address) or _area(state, other, address)}".strip()
        choices.append((text, frames[0] == frames[1], words))
    question = (
        f"{_moment(event)}: which of these pages are one frame for pid {one} and pid {other}?"
    )
    return of_several("shared", question, choices, chance)


def error_code_question(moments: Moments, chance: Random) -> Question | None:
    """What the CPU says of a page fault. None where there is none."""
    faults = [
        event
        for event, _ in moments.events
        if event["kind"] == "trap" and event.get("vector") == PF and "error_code" in event
    ]
    if not faults:
        return None
    event = chance.choice(faults)
    code = event["error_code"]
    others = chance.sample([one for one in _CODES if one != code], 3)
    text = (
        f"pid {event['pid']} at {event.get('source') or format(event['eip'], '#010x')} causes a page "
        f"fault, event {event['number']}; CR2 is {event['address']:#010x}. "
        "Which error code does the CPU push?"
    )
    return of_numbers("error-code", text, code, others, " ".join(error_code(code, PF)), "#x")


def _moment(event: Data) -> str:
    place = event.get("source") or f"{event['eip']:#010x}"
    return f"Right after event {event['number']} ({event['kind']} of pid {event['pid']}, {place})"


def _processes(state: Data) -> list[int]:
    tasks: Iterable[dict[str, Any]] = state["tasks"].values()
    return [task["tgid"] for task in tasks if task["tgid"] >= PROGRAM_PID]


def _near(number: int, chance: Random) -> list[int]:
    """Wrong numbers that look right."""
    wrong = [one for one in range(max(1, number - 2), number + 4) if one != number]
    return chance.sample([*wrong, 2 * number + 2], 3)


def _entries(state: Data, pid: int) -> dict[str, int]:
    """Present page-table entries by address."""
    space = state["spaces"][str(state["tasks"][str(pid)]["space"])]
    return {address: pte for address, pte in space["entries"].items() if pte & PTE_P}


def _frames(entries: dict[str, int]) -> set[tuple[str, int]]:
    return {(address, pte >> PAGE_SHIFT) for address, pte in entries.items() if pte & PTE_P}


def _is_plain(state: Data, one: int, other: int) -> bool:
    return _frames(_entries(state, one)) == _frames(_entries(state, other))


def _area(state: Data, pid: int, address: str) -> str:
    space = state["spaces"][str(state["tasks"][str(pid)]["space"])]
    for start, (end, _, _, name) in space["areas"].items():
        if int(start, 16) <= int(address, 16) < end:
            return str(name)
    return ""
