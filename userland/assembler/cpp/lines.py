"""Physical lines to logical ones: continuations joined, comments taken out (C99 5.1.1.2, phases 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import AssemblyError
from ..source import string_end


@dataclass(frozen=True)
class Line:
    """A logical line: `number` is its first physical line, `count` how many it takes."""

    text: str
    number: int
    count: int


def logical_lines(text: str, file: str) -> list[Line]:
    """Raises AssemblyError for a comment that never ends."""
    physical = text.replace("\r\n", "\n").split("\n")
    if physical and not physical[-1]:
        physical.pop()
    lines: list[Line] = []
    index = 0
    while index < len(physical):
        first, joined = index, physical[index]
        index += 1
        while True:
            while joined.endswith("\\") and index < len(physical):
                joined = joined[:-1] + physical[index]
                index += 1
            without, is_open = _strip_comments(joined)
            if not is_open:
                break
            if index == len(physical):
                raise AssemblyError(file, first + 1, "comment `/*' is never closed")
            joined += "\n" + physical[index]
            index += 1
        lines.append(Line(without, first + 1, index - first))
    return lines


def _strip_comments(line: str) -> tuple[str, bool]:
    """The line with each comment as one space, and whether one is still open at its end."""
    out: list[str] = []
    index = 0
    while index < len(line):
        char = line[index]
        if char == '"':
            end = string_end(line, index)
            end = len(line) if end < 0 else end
            out.append(line[index:end])
            index = end
        elif line.startswith(("'\"'", "'\\\"'"), index):  # a quote as a character constant
            end = line.index("'", index + 2) + 1
            out.append(line[index:end])
            index = end
        elif line.startswith("/*", index):
            close = line.find("*/", index + 2)
            if close < 0:
                return "", True
            out.append(" ")
            index = close + 2
        elif line.startswith("//", index):
            break
        else:
            out.append(char)
            index += 1
    return "".join(out).rstrip(), False
