"""Make a case that shows a difference as small as it goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from case import Case, Step

Test = Callable[[list[Step]], bool]


def shrink(case: Case, still: Callable[[Case], bool], looks: int = 2000) -> Case:
    """Leave out steps, in ever smaller pieces, as long as it is `still` wrong; at most `looks` tries."""
    return case.with_steps(
        _shrink(case.steps, lambda steps: still(case.with_steps(steps)), [looks])
    )


def _shrink(steps: list[Step], still: Test, looks: list[int]) -> list[Step]:
    """Of a list, and then of the lists in its steps, which are a child's; `looks` counts down."""
    size = max(len(steps) // 2, 1)
    while looks[0] > 0:
        at, smaller = 0, False
        while at < len(steps) and looks[0] > 0:
            fewer: list[Step] = steps[:at] + steps[at + size :]
            looks[0] -= 1
            if still(fewer):
                steps, smaller = fewer, True
            else:
                at += size
        if size == 1 and not smaller:
            break
        size = max(size // 2, 1)
    for n, step in enumerate(steps):
        for m, part in enumerate(step):
            if isinstance(part, list) and part and isinstance(part[0], list):
                outer = partial(_with, steps, n, m)
                steps = outer(_shrink(part, _within(still, outer), looks))
    return steps


def _with(steps: list[Step], n: int, m: int, inner: list[Step]) -> list[Step]:
    """The steps with another list as part m of step n."""
    return [*steps[:n], [*steps[n][:m], inner, *steps[n][m + 1 :]], *steps[n + 1 :]]


def _within(still: Test, outer: Callable[[list[Step]], list[Step]]) -> Test:
    return lambda inner: still(outer(inner))
