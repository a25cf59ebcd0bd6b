"""Which functions of the kernel the CPU's Python is in, and the numbers of the fork path that they have.

A number stands in a function's docstring, behind "fork-path", or in a comment of the line that is being
executed, which then counts alone; docs/fork-path.md has them all.
"""

from __future__ import annotations

import linecache
import re
import sys
from types import FrameType
from typing import NamedTuple

from toykernel.explain.fork_path import in_words
from toykernel.observe.kernel_functions import KERNEL, linux_name

_NUMBER = r"[A-HJ-LN]\d{1,2}"
_DOCUMENTED = re.compile(rf"fork-path ({_NUMBER}(?:(?:-|, | and ){_NUMBER})*)")
_COMMENT = re.compile(rf"# (?:fork-path )?({_NUMBER}(?:(?:-|, | and ){_NUMBER})*)(?![\w.])")


class Called(NamedTuple):
    """A function of the kernel that has been called and has not returned; its fork-path numbers. The name is
    empty where the function is this project's own, and no function of Linux."""

    name: str
    numbers: tuple[str, ...]


def kernel_functions() -> list[Called]:
    """The outermost first, from the gate to the caller of this."""
    found: list[Called] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(KERNEL):
            found.append(Called(linux_name(frame.f_code, module) or "", _numbers(frame)))
        frame = frame.f_back
    return found[::-1]


def path_text(called: list[Called]) -> str:
    """The names, outermost first, and the numbers of all of them with what they mean."""
    numbers = in_words(number for one in called for number in one.numbers)
    text = " -> ".join(one.name for one in called if one.name)
    return text + (f" (fork-path {numbers})" if numbers and text else "")


def _numbers(frame: FrameType) -> tuple[str, ...]:
    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals)
    comment = _COMMENT.search(line)
    if comment is not None:
        return expand(comment[1])
    text = code.co_consts[0] if code.co_consts else None
    return documented(text) if isinstance(text, str) else ()


def documented(text: str) -> tuple[str, ...]:
    """The numbers that a docstring names."""
    return tuple(n for match in _DOCUMENTED.finditer(text) for n in expand(match[1]))


def expand(text: str) -> tuple[str, ...]:
    """Single numbers of a list with commas, `and` and dashes."""
    found: list[str] = []
    for part in re.split(r", | and ", text):
        first, _, last = part.partition("-")
        found += [f"{first[0]}{n}" for n in range(int(first[1:]), int((last or first)[1:]) + 1)]
    return tuple(found)
