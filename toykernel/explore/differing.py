"""Which of many objects hold something else than they did: references are compared, never contents.

`differing` is the specification; toykernel/explore/_differing.c does the same where it was built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_not
from typing import Any

#: What is watched of an object: its items, its attributes or entries; None: it is compared otherwise.
Watched = list[Any] | dict[Any, Any] | None
#: A place, and what is held there now; None where the keys are others.
Changed = list[tuple[int, tuple[Any, ...] | None]]
Differing = Callable[[list[Watched], list[tuple[Any, ...]], list[tuple[Any, ...]]], Changed]


def differing(
    watched: Sequence[Watched], held: Sequence[tuple[Any, ...]], names: Sequence[tuple[Any, ...]]
) -> Changed:
    """Those whose values are not `held`, or whose keys are not `names`, in this order."""
    found: Changed = []
    for place, (one, values, keys) in enumerate(zip(watched, held, names, strict=True)):
        if isinstance(one, dict):
            now = tuple(dict.values(one)) if _same(one, keys) else None
        else:
            now = values if one is None else tuple(one)
        if now is None or not _same(now, values):
            found.append((place, now))
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
