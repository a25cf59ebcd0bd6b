"""Source text to statements: comments, strings, `;`, and where each statement stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from .errors import AssemblyError, Problem

MAX_SOURCE: Final = 16 << 20
#: What a line may have that is more than its statement.
_SPECIAL: Final = re.compile(r"[\"'/#;\0]")
_LINE_MARKER: Final = re.compile(r'# (\d+) "((?:\\.|[^"\\])*)"')


def marked_files(text: str) -> dict[str, None]:
    """Files that a preprocessor's markers name, in the order in which they come."""
    found = (_LINE_MARKER.match(line) for line in text.splitlines() if line.startswith("# "))
    return dict.fromkeys(_unescape(marker.group(2)) for marker in found if marker is not None)


class Location(NamedTuple):
    """A line of a file, and through which macros or repetitions it came to be assembled.

    `call` is the file and line of the outermost macro use, for a line of a macro's body."""

    file: str
    line: int
    via: tuple[str, ...] = ()
    call: tuple[str, int] | None = None


class Statement(NamedTuple):
    """One statement, without comments, and where it stands."""

    text: str
    location: Location


def error(location: Location, message: str, hint: str | None = None) -> AssemblyError:
    """An AssemblyError at a location; the expansion it came through is added to the hint."""
    if location.via:
        route = "; ".join(dict.fromkeys(reversed(location.via)))
        hint = f"{hint} ({route})" if hint else route
    shown = message.encode("utf-8", "backslashreplace").decode("utf-8")
    return AssemblyError(location.file, location.line, shown, hint)


def read_source(path: Path, shown: str, where: Location | None = None) -> str:
    """The text of a source file. An error names the include line `where`, if there is one."""
    place = where or Location(shown, 0)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SOURCE + 1)
    except OSError as problem:
        reason = problem.strerror or "cannot be read"
        raise error(place, f"cannot read `{shown}': {reason}") from None
    except ValueError:
        raise error(place, f"`{shown!a}' is not a file name") from None
    return checked_source(data, shown, place)


def checked_source(data: bytes, shown: str, where: Location | None = None) -> str:
    """The text of bytes that are source; errors as of `read_source`."""
    place = where or Location(shown, 0)
    if len(data) > MAX_SOURCE:
        raise error(place, f"`{shown}' is larger than {MAX_SOURCE >> 20} MiB")
    if data.startswith(b"\xef\xbb\xbf"):
        raise AssemblyError(shown, 1, "the file begins with a byte order mark (EF BB BF)",
                            "save it as UTF-8 without BOM")  # fmt: skip
    if data.startswith((b"\x7fELF", b"!<arch>")):
        raise AssemblyError(shown, 0, "this is an object file or archive, not a source")
    return data.decode("utf-8", "surrogateescape")


def string_end(text: str, start: int) -> int:
    """Index after the string that opens at text[start] == '"', or -1 when it never closes."""
    index = start + 1
    while index < len(text):
        if text[index] == "\\":
            index += 2
            continue
        if text[index] == '"':
            return index + 1
        index += 1
    return -1


def character_end(text: str, start: int) -> int:
    """Index after the character constant that opens at text[start] == "'"."""
    index = start + 1
    if index < len(text) and text[index] == "\\":
        index += 1
    index += 1
    if index < len(text) and text[index] == "'":
        index += 1
    return min(index, len(text))


def split_statements(text: str, file: str, first_line: int = 1) -> list[Statement]:
    """Cut a file into statements. `#` and `//` start a comment that ends with the line, `/* */`
    may span lines, `;` and the end of a line end a statement; none of them inside a string. A line
    marker of the preprocessor, `# 12 "file"`, says where the next line was written."""
    statements: list[Statement] = []
    comment_from = 0
    text = text.replace("\r\n", "\n")
    number = first_line - 1
    physical = file
    for counted, line in enumerate(text.split("\n"), first_line):
        number += 1
        marker = _LINE_MARKER.match(line) if line.startswith("#") and not comment_from else None
        if marker is not None:
            number, file = int(marker.group(1)) - 1, _unescape(marker.group(2))
            if not file:  # gcc ends an asm statement so: back to the file itself
                number, file = counted, physical
            continue
        if not comment_from and _SPECIAL.search(line) is None:  # as most are
            plain = line.strip()
            if plain:
                statements.append(Statement(plain, Location(file, number)))
            continue
        piece: list[str] = []
        index = 0
        if (
            not comment_from
            and line.lstrip().startswith("/")
            and not line.lstrip().startswith("/*")
        ):
            continue  # gas on i386: a `/` that opens a line is a comment
        while index < len(line):
            if comment_from:
                close = line.find("*/", index)
                if close < 0:
                    index = len(line)
                    break
                comment_from = 0
                index = close + 2
                piece.append(" ")
                continue
            char = line[index]
            if char == "\0":
                raise AssemblyError(file, number, "a NUL byte in the source")
            if char == '"':
                end = string_end(line, index)
                if end < 0:
                    raise AssemblyError(file, number, "unterminated string")
                piece.append(line[index:end])
                index = end
            elif char == "'":
                end = character_end(line, index)
                piece.append(line[index:end])
                index = end
            elif line.startswith("/*", index):
                comment_from = number
                index += 2
            elif char == "#" or line.startswith("//", index):
                index = len(line)
            elif char == ";":
                _add(statements, piece, file, number)
                piece = []
                index += 1
            else:
                piece.append(char)
                index += 1
        _add(statements, piece, file, number)
    if comment_from:
        raise AssemblyError(file, comment_from, "comment `/*' is never closed")
    return statements


def _unescape(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _add(statements: list[Statement], piece: list[str], file: str, line: int) -> None:
    text = "".join(piece).strip()
    if text:
        statements.append(Statement(text, Location(file, line)))


def split_operands(text: str, separator: str = ",") -> list[str]:
    """Cut at commas outside strings, character constants, parentheses and brackets."""
    parts: list[str] = []
    depth, start, index = 0, 0, 0
    while index < len(text):
        char = text[index]
        if char == '"':
            end = string_end(text, index)
            if end < 0:
                raise Problem("unterminated string")
            index = end
            continue
        if char == "'":
            index = character_end(text, index)
            continue
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == separator and depth <= 0:
            parts.append(text[start:index].strip())
            start = index + 1
        index += 1
    parts.append(text[start:].strip())
    return parts


def string_bytes(literal: str) -> bytes:
    """The bytes of a quoted string: UTF-8, with gas's escapes."""
    from .expressions import escape_value  # only to read a file, nothing of this is needed

    if len(literal) < 2 or literal[0] != '"' or string_end(literal, 0) != len(literal):
        raise Problem(f"`{literal}' is not a string", 'strings are written "text"')
    out = bytearray()
    body, index = literal[1:-1], 0
    while index < len(body):
        if body[index] != "\\":
            out += body[index].encode("utf-8", "surrogateescape")
            index += 1
            continue
        index += 1
        if body[index] in "01234567":
            stop = index
            while stop < min(index + 3, len(body)) and body[stop] in "01234567":
                stop += 1
        elif body[index] in "xX":
            stop = index + 1
            while stop < len(body) and body[stop] in "0123456789abcdefABCDEF":
                stop += 1
        else:
            stop = index + 1
        out.append(escape_value(body[index:stop]))
        index = stop
    return bytes(out)
