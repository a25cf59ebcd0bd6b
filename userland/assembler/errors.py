"""The one error type of the assembler."""

from __future__ import annotations

import re
from typing import Final

#: How many are said at once.
MAX_ERRORS: Final = 20


class AssemblyError(Exception):
    """A source line that cannot be assembled.

    `file` and `line` (counted from 1; 0 when no line applies) say where the text was written,
    `message` what is wrong, and `hint`, when there is one, what to write instead. `more` are the
    file's further errors, in the order of its lines.
    """

    def __init__(self, file: str, line: int, message: str, hint: str | None = None) -> None:
        super().__init__(file, line, message, hint)
        self.file = file
        self.line = line
        self.message = message
        self.hint = hint
        self.more: tuple[AssemblyError, ...] = ()
        self.statement = ""
        #: What is to be said once, below all errors.
        self.note = ""

    def report(self) -> str:
        """For people: every error with its statement, a mark under what is meant, and the hint."""
        out = []
        for problem in (self, *self.more):
            out.append(str(problem))
            if problem.statement:
                out.append(f"    {problem.statement}")
                meant = re.search(r"`([^']+)'", problem.message)
                at = problem.statement.find(meant.group(1).lstrip("%$")) if meant else -1
                if at >= 0:
                    out.append(" " * (4 + at) + "^")
            if problem.hint:
                out.append(f"  hint: {problem.hint}")
        if self.note:
            out.append(f"note: {self.note}")
        return "\n".join(out)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}"


def together(problems: list[AssemblyError]) -> AssemblyError:
    """One error of several: those of the first one's file by line, the others' as they come."""
    first = problems[0].file
    ordered = sorted(
        problems, key=lambda problem: problem.line if problem.file == first else 1 << 30
    )
    ordered[0].more = tuple(ordered[1:MAX_ERRORS])
    return ordered[0]


class Problem(Exception):
    """A mistake found below the level that knows file and line; always turned into
    an AssemblyError before it leaves the package."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
