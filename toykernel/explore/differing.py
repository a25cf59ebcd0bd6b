"""Which of many objects hold something else than they did: references are compared, never contents.

`differing` is the specification; toykernel/explore/_differing.c does the same where it was built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_not
from typing import Any

#: What is watched of an object: its items, its attributes or entries; None: it is compared otherwise.
Watched = list[Any] | dict[Any, Any] | None
Differing = Callable[[list[Watched], list[tuple[Any, ...]], list[tuple[Any, ...]]], list[int]]


def differing(
    watched: Sequence[Watched], held: Sequence[tuple[Any, ...]], names: Sequence[tuple[Any, ...]]
) -> list[int]:
    """The places of those whose values are not `held`, or whose keys are not `names`, in this order."""
    found = []
    for place, (one, values, keys) in enumerate(zip(watched, held, names, strict=True)):
        if isinstance(one, Mapping):
            same = _same(dict.values(one), values) and _same(one, keys)
        else:
            same = one is None or _same(one, values)
        if not same:
            found.append(place)
    return found


def _same(now: Any, before: tuple[Any, ...]) -> bool:
    return len(now) == len(before) and not any(map(is_not, now, before))


def fastest() -> Differing:
    """The native one, or else the one above."""
    try:
        from toykernel.explore import _differing  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        return differing
    found: Differing = _differing.differing
    return found
