"""Which events of two runs belong together: those of one kind, about the same, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from toykernel.show.page import Pair

#: Details that say what an event is; pids, too, and nothing that another machine has elsewhere.
_KEYS = ("kind", "pid", "vector", "call", "what", "to", "child", "signal")


def aligned(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> list[Pair]:
    """Pairs of numbers in the order of both runs; None where one has nothing that corresponds. What ends
    each run comes last, as one more pair."""
    matcher = SequenceMatcher(
        None, [_key(x) for x in one], [_key(x) for x in other], autojunk=False
    )
    pairs: list[Pair] = []
    for _, low, high, other_low, other_high in matcher.get_opcodes():
        same = min(high - low, other_high - other_low)
        equal = [x["kind"] for x in one[low:high]] == [
            x["kind"] for x in other[other_low:other_high]
        ]
        if equal:
            pairs += zip(range(low, high), range(other_low, other_high), strict=True)
        else:
            assert same >= 0
            pairs += ((number, None) for number in range(low, high))
            pairs += ((None, number) for number in range(other_low, other_high))
    return [*pairs, (len(one), len(other))]


def _key(event: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(event.get(name) for name in _KEYS)
