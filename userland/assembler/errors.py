"""The one error type of the assembler."""

from __future__ import annotations


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

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}"


class Problem(Exception):
    """A mistake found below the level that knows file and line; always turned into
    an AssemblyError before it leaves the package."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
