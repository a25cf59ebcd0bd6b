"""The expressions of #if: C's integer constant expressions in 64 bits (C99 6.10.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import Problem
from .tokens import Token

_NUMBER: Final = re.compile(r"(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9]\d*)([uUlL]*)")
_ESCAPES: Final = dict(zip("abfnrtv\\'\"?", (7, 8, 12, 10, 13, 9, 11, 92, 39, 34, 63), strict=True))
_BITS: Final = (1 << 64) - 1
MAX_DEPTH: Final = 100

#: Binary operators by precedence, the loosest first.
_LEVELS: Final = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="),
    ("<<", ">>"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A 64-bit value: intmax_t, or uintmax_t when `unsigned`."""

    number: int
    unsigned: bool = False

    @classmethod
    def of(cls, number: int, unsigned: bool) -> Value:
        """Wrapped to 64 bits."""
        number &= _BITS
        return cls(number if unsigned or not number >> 63 else number - (1 << 64), unsigned)


def evaluate(tokens: Sequence[Token]) -> bool:
    """Whether an expanded #if line is true. Names that are left are 0. Raises Problem."""
    parser = _Parser([token for token in tokens if token.kind not in ("space", "place")])
    if not parser.tokens:
        raise Problem("`#if' needs an expression")
    value = parser.conditional(live=True)
    if parser.index < len(parser.tokens):
        raise Problem(f"junk `{parser.tokens[parser.index].text}' in the expression of `#if'")
    return value.number != 0


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.depth = 0

    def _peek(self) -> str:
        return self.tokens[self.index].text if self.index < len(self.tokens) else ""

    def _take(self, text: str) -> bool:
        if self._peek() != text or not text:
            return False
        self.index += 1
        return True

    def conditional(self, live: bool) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Problem("the expression of `#if' is nested too deeply")
        value = self._binary(0, live)
        if self._take("?"):
            yes = self.conditional(live and value.number != 0)
            if not self._take(":"):
                raise Problem("`?' without `:' in the expression of `#if'")
            no = self.conditional(live and value.number == 0)
            unsigned = yes.unsigned or no.unsigned
            value = Value.of((yes if value.number else no).number, unsigned)
        self.depth -= 1
        return value

    def _binary(self, level: int, live: bool) -> Value:
        if level == len(_LEVELS):
            return self._unary(live)
        left = self._binary(level + 1, live)
        while (operator := self._peek()) in _LEVELS[level]:
            self.index += 1
            needed = live
            if operator == "&&":
                needed = live and left.number != 0
            elif operator == "||":
                needed = live and left.number == 0
            right = self._binary(level + 1, needed)
            left = _apply(operator, left, right, live)
        return left

    def _unary(self, live: bool) -> Value:
        operator = self._peek()
        if operator in ("!", "~", "-", "+") and operator:
            self.index += 1
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Problem("the expression of `#if' is nested too deeply")
            value = self._unary(live)
            self.depth -= 1
            return _UNARY[operator](value)
        if self._take("("):
            value = self.conditional(live)
            if not self._take(")"):
                raise Problem("`(' without `)' in the expression of `#if'")
            return value
        if self.index >= len(self.tokens):
            raise Problem("the expression of `#if' ends too early")
        token = self.tokens[self.index]
        self.index += 1
        return _primary(token)


_UNARY: Final[dict[str, Callable[[Value], Value]]] = {
    "!": lambda value: Value(int(not value.number)),
    "~": lambda value: Value.of(~value.number, value.unsigned),
    "-": lambda value: Value.of(-value.number, value.unsigned),
    "+": lambda value: value,
}


def _primary(token: Token) -> Value:
    if token.kind == "name":
        return Value(0)
    if token.kind == "char":
        return Value(_character(token.text[1:-1]))
    found = _NUMBER.fullmatch(token.text) if token.kind == "number" else None
    if found is None:
        raise Problem(f"`{token.text}' is not an integer in the expression of `#if'")
    digits = found.group(1)
    base = 8 if len(digits) > 1 and digits.isdigit() and digits[0] == "0" else 0
    number = int(digits, base)
    return Value.of(number, "u" in found.group(2).lower() or number >> 63 != 0)


def _character(body: str) -> int:
    if not body.startswith("\\"):
        return ord(body[0]) if len(body) == 1 else _refuse(body)
    rest = body[1:]
    if rest[:1] in ("x", "X"):
        return int(rest[1:], 16) & 0xFF if re.fullmatch("[0-9a-fA-F]+", rest[1:]) else _refuse(body)
    if re.fullmatch("[0-7]{1,3}", rest):
        return int(rest, 8) & 0xFF
    return _ESCAPES[rest] if rest in _ESCAPES else _refuse(body)


def _refuse(body: str) -> int:
    raise Problem(f"'{body}' is not one character")


def _apply(operator: str, left: Value, right: Value, live: bool) -> Value:
    a, b = left.number, right.number
    if operator == "&&":
        return Value(int(bool(a) and bool(b)))
    if operator == "||":
        return Value(int(bool(a) or bool(b)))
    unsigned = left.unsigned or right.unsigned
    if operator in ("<<", ">>"):
        amount = min(abs(b), 64)
        left_shift = (operator == "<<") == (b >= 0)
        return Value.of(a << amount if left_shift else a >> amount, left.unsigned)
    if unsigned:
        a, b = a & _BITS, b & _BITS
    if operator in _COMPARE:
        return Value(int(_COMPARE[operator](a, b)))
    if operator in ("/", "%"):
        if not b:
            if live:
                raise Problem("division by zero in the expression of `#if'")
            return Value.of(0, unsigned)
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return Value.of(quotient if operator == "/" else a - quotient * b, unsigned)
    return Value.of(_ARITHMETIC[operator](a, b), unsigned)


_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip
_ARITHMETIC: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    "&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b,
}  # fmt: skip
