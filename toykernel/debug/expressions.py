"""Expressions of the prompt: numbers, symbols, registers, C's operators, in 32-bit arithmetic.

    child+4    $esp-20    *($esp+8)    counter & ~0xfff    'A'    kernel:schedule    $eax == 2

Every value is a word: additions wrap, comparisons are unsigned and give 1 or 0. `*X` is the word in
memory at X, {char}X, {short}X and {int}X one of that type. A label is its address; a local variable of C
is its value, and `&` gives its address.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from toykernel.debug.errors import DebugError
from toykernel.look.symbols import SymbolError

WORD = 0xFFFFFFFF
MAX_DEPTH = 32
#: Bytes of C's types.
SIZES = {"char": 1, "short": 2, "int": 4, "long": 4}
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)(?![\w.])
  | (?P<char>'(?:[^'\\]|\\.)')
  | \$(?P<register>\w+)
  | \{(?P<cast>(?:unsigned\s+)?(?:char|short|int|long)|unsigned)\}
  | (?P<name>[A-Za-z_.][\w.]*(?::[A-Za-z_.][\w.]*)?)
  | (?P<operator><<|>>|==|!=|<=|>=|[-+*/%&|^~!<>()])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "0": 0, "\\": 92, "'": 39, '"': 34, "a": 7, "b": 8, "e": 27}
#: Binary operators by how tightly they bind, as in C.
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    ">": lambda a, b: int(a > b),
    "<=": lambda a, b: int(a <= b),
    ">=": lambda a, b: int(a >= b),
    "<<": lambda a, b: a << b if b < 32 else 0,
    ">>": lambda a, b: a >> b if b < 32 else 0,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


def evaluate(
    text: str,
    *,
    symbol: Callable[[str], int],
    register: Callable[[str], int],
    word_at: Callable[[int, int], int],
    variable: Callable[[str], LocalVariable | None] = lambda _name: None,
    bare: list[str] | None = None,
) -> int:
    """The value of an expression, 0 to 0xffffffff. Raises DebugError.

    `symbol` raises SymbolError; `register` is given a name without `$`; `word_at` reads so many bytes of
    memory; `variable` knows C's local variables, which come before symbols. `bare` takes the symbols that are
    used for their own value: under no `*` and no `&`.
    """
    return _Parser(text, symbol, register, word_at, variable, bare).value()


class LocalVariable(NamedTuple):
    """A local variable: its value as a word, its address when it has one."""

    value: int
    address: int | None


class _Parser:
    def __init__(
        self,
        text: str,
        symbol: Callable[[str], int],
        register: Callable[[str], int],
        word_at: Callable[[int, int], int],
        variable: Callable[[str], LocalVariable | None],
        bare: list[str] | None,
    ) -> None:
        self._text = text
        self._variable, self._bare = variable, bare
        self._pointed = 0  # how many `*` are around
        self._symbol, self._register, self._word_at = symbol, register, word_at
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise DebugError(f'cannot read "{text[at:].strip()}" in the expression "{text}"')
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            at = match.end()
        self._at = 0
        self._depth = 0

    def value(self) -> int:
        if not self._tokens:
            raise DebugError("an expression is missing: a number, a symbol, $eax, ...")
        result = self._binary(0)
        if self._at < len(self._tokens):
            raise DebugError(f'unexpected "{self._tokens[self._at][1]}" in "{self._text}"')
        return result

    def _peek(self) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "operator":
            return self._tokens[self._at][1]
        return None

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while (operator := self._peek()) in _LEVELS[level]:
            self._at += 1
            right = self._binary(level + 1)
            if operator in ("/", "%") and not right:
                raise DebugError(f'division by zero in "{self._text}"')
            left = _OPERATIONS[str(operator)](left, right) & WORD
        return left

    def _unary(self) -> int:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DebugError("the expression is nested too deeply")
        try:
            operator = self._peek()
            if operator is None:
                return self._primary()
            self._at += 1
            if operator == "(":
                result = self._binary(0)
                if self._peek() != ")":
                    raise DebugError(f'")" is missing in "{self._text}"')
                self._at += 1
                return result
            if operator == "*":
                self._pointed += 1
                address = self._unary()
                self._pointed -= 1
                return self._word_at(address, 4)
            if operator == "&":
                return self._address()
            if operator in ("-", "~", "+", "!"):
                value = self._unary()
                results = {"-": -value, "~": ~value, "!": int(not value)}
                return results.get(operator, value) & WORD
            raise DebugError(f'unexpected "{operator}" in "{self._text}"')
        finally:
            self._depth -= 1

    def _address(self) -> int:
        """What stands behind `&`: of a label and of a local variable where it is."""
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "name":
            name = self._tokens[self._at][1]
            local = self._variable(name)
            if local is not None:
                self._at += 1
                if local.address is None:
                    raise DebugError(f"{name} is in no memory here")
                return local.address
        self._pointed += 1
        value = self._unary()
        self._pointed -= 1
        return value

    def _typed(self, words: list[str]) -> int:
        """What stands behind `{char}`, as memory of that type."""
        self._pointed += 1
        address = self._unary()
        self._pointed -= 1
        size = SIZES.get(words[-1], 4)
        value = self._word_at(address, size)
        signed = words[0] != "unsigned" and value >> 8 * size - 1
        return value - (1 << 8 * size) & WORD if signed else value

    def _primary(self) -> int:
        if self._at >= len(self._tokens):
            raise DebugError(f'something is missing at the end of "{self._text}"')
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "cast":
            return self._typed(text.split())
        if kind == "number":
            return _number(text)
        if kind == "char":
            return _character(text)
        if kind == "register":
            return self._register(text) & WORD
        local = self._variable(text)
        if local is not None:
            return local.value & WORD
        if self._bare is not None and not self._pointed:
            self._bare.append(text)
        try:
            return self._symbol(text) & WORD
        except SymbolError as error:
            raise DebugError(str(error)) from None


def _number(text: str) -> int:
    if len(text) > 40:
        raise DebugError(f"{text[:20]}... has more than 32 bits")
    octal = len(text) > 1 and text[0] == "0" and text[1].isdigit()
    try:
        value = int(text, 8) if octal else int(text, 0)
    except ValueError:
        raise DebugError(f"{text} is not a number (a leading 0 means octal)") from None
    if value > WORD:
        raise DebugError(f"{text} has more than 32 bits")
    return value


def _character(text: str) -> int:
    inner = text[1:-1]
    if inner.startswith("\\"):
        if inner[1] not in _ESCAPES:
            raise DebugError(f"{text}: unknown escape")
        return _ESCAPES[inner[1]]
    data = inner.encode("utf-8", "surrogateescape")
    if len(data) != 1:
        raise DebugError(f"{text} is not one byte")
    return data[0]
