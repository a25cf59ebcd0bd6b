"""Whether all outcomes of a program keep what its header promises of them (harness/expectations.py)."""

from __future__ import annotations

from collections.abc import Sequence

from toykernel.explore.ending import End
from toykernel.explore.exploration import Explored
from toykernel.explore.report import Row, outputs, path_text
from toykernel.harness.comparison import Difference
from toykernel.harness.expectations import OfAllOrders


def same_output(text: str, output: bytes) -> bool:
    """Whether an output is this text; a newline at its end need not be in the text."""
    wanted = text.encode("utf-8", "surrogateescape")
    return output in (wanted, wanted + b"\n")


def broken(promises: Sequence[OfAllOrders], explored: Explored) -> list[Difference]:
    """What is otherwise than promised, each with the line of the header."""
    found = []
    for promise in promises:
        text = _broken(promise, explored)
        if text:
            found.append(Difference(promise.line, text))
    if found and not explored.found.complete:
        bounds = ", ".join(explored.found.bounds)
        found.append(Difference(promises[0].line, f"not every order was looked at: {bounds}"))
    return found


def _broken(promise: OfAllOrders, explored: Explored) -> str:
    table = explored.table
    if promise.kind == "outputs":
        different = outputs(table)
        if len(different) == int(promise.text) and explored.found.complete:
            return ""
        shown = ", ".join(_shown(one) for one in different[:8])
        more = ", …" if len(different) > 8 else ""
        return f"outputs: expected {promise.text}, got {len(different)}: {shown}{more}"
    if promise.kind == "deadlock":
        dead = [row for row in table if row.ending.end is End.DEADLOCK]
        if promise.text == "possible":
            return "" if dead else "deadlock: expected to be possible, and never happens"
        if dead:
            return f"deadlock: expected never, possible: {_way(dead[0])}"
        return _unsure(explored, "deadlock: never")
    rows = [row for row in table if same_output(promise.text, row.ending.stdout)]
    shown = _shown(promise.text.encode("utf-8", "surrogateescape"))
    if promise.kind == "output-possible":
        return "" if rows else f"output {shown}: expected to be possible, and never happens"
    if rows:
        return f"output {shown}: expected to be impossible, possible: {_way(rows[0])}"
    return _unsure(explored, f"output-impossible: {shown}")


def _unsure(explored: Explored, what: str) -> str:
    return "" if explored.found.complete else f"{what} cannot be said"


def _way(row: Row) -> str:
    explanation = f"{row.explanation}; " if row.explanation else ""
    return f"{explanation}schedule {path_text(row.schedule)}"


def _shown(output: bytes) -> str:
    return f"`{output.decode('utf-8', 'backslashreplace').encode('unicode_escape').decode()}`"
