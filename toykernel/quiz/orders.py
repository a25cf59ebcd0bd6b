"""Questions about all orders of a program's tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

from toykernel.explore.ending import End
from toykernel.explore.report import Row, outputs, path_text
from toykernel.quiz.question import Question, of_several

if TYPE_CHECKING:
    from toykernel.explore.exploration import Explored

#: Choices of either sort.
_EACH = 3
_TRIES = 60


def output_question(explored: Explored, chance: Random) -> Question | None:
    """Which outputs are possible. None where not every order was looked at, or nothing is ever written."""
    known = outputs(explored.table)
    if not explored.found.complete or not any(known):
        return None
    possible = chance.sample(known, min(_EACH, len(known)))
    choices = [
        (quoted(one), True, f"by the schedule {_schedule(explored.table, one)}") for one in possible
    ]
    choices += [
        (quoted(one), False, f"no order has it: {_looked(explored)}")
        for one in _impossible(known, chance)
    ]
    return of_several(
        "outputs", "Which of these can its standard output be, in some order?", choices, chance
    )


def deadlock_question(explored: Explored, _: Random) -> Question | None:
    """Whether everybody can come to sleep for ever. None where not every order was looked at."""
    stuck = [row for row in explored.table if row.ending.end is End.DEADLOCK]
    if not explored.found.complete:
        return None
    if stuck:
        why = f"by the schedule {path_text(stuck[0].schedule)}: {stuck[0].explanation}"
    else:
        why = f"in no order does everybody sleep for ever: {_looked(explored)}"
    text = "Is there an order in which it never ends, since everybody sleeps?"
    return Question("deadlock", text, ("yes", "no"), (0 if stuck else 1,), (why,))


def _looked(explored: Explored) -> str:
    states = len(explored.found.graph.nodes)
    return f"all {states:,} states were looked at" if states > 1 else "there is one order only"


def quoted(output: bytes) -> str:
    """An output in one line."""
    text = output.decode("utf-8", "backslashreplace")
    return json.dumps(text, ensure_ascii=False)


def _schedule(table: Sequence[Row], output: bytes) -> str:
    return path_text(next(row.schedule for row in table if row.ending.stdout == output))


def _impossible(known: Sequence[bytes], chance: Random) -> list[bytes]:
    """Outputs like those that are possible, and which are not."""
    found: dict[bytes, None] = {}
    taken = {quoted(one) for one in known}
    makers = _changed(known, chance)
    for _ in range(_TRIES):
        one = next(makers)
        if quoted(one) not in taken:
            found[one] = None
        if len(found) == _EACH:
            break
    return list(found)


def _changed(known: Sequence[bytes], chance: Random) -> Iterator[bytes]:
    """A possible output with its pieces in another order, one of them missing, or one twice."""
    texts = [one for one in known if one]
    while True:
        text = chance.choice(texts)
        pieces = text.splitlines(keepends=True)
        if len(pieces) < 2:
            pieces = [text[n : n + 1] for n in range(len(text))]
        way = chance.randrange(3)
        at = chance.randrange(len(pieces))
        if way == 0:
            chance.shuffle(pieces)
        elif way == 1:
            del pieces[at]
        else:
            pieces.insert(at, pieces[at])
        yield b"".join(pieces)
