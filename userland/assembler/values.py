"""Final values: what a bound expression is once everything has its address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import Problem
from .expressions import (
    SAME_SECTION,
    Modified,
    Name,
    Node,
    Number,
    Position,
    Register,
    Unary,
    apply,
    apply_unary,
)


@dataclass(frozen=True)
class Value:
    """A final value: a number, or a linear address that moves with `section`."""

    number: int
    section: str | None


def evaluate(
    node: Node,
    symbol: Callable[[str], Value],
    place: Callable[[Position], int],
    here: str | None = None,
) -> Value:
    """The value of a bound tree after layout; Problem when it mixes sections as no linker can.

    A distance from section `here`, where the field stands, is a number: it is PC-relative."""
    if isinstance(node, Number):
        return Value(node.value, None)
    if isinstance(node, Name):
        return symbol(node.name)
    if isinstance(node, Position):
        return Value(place(node), node.section)
    if isinstance(node, Register):
        raise Problem(f"register `{node.name}' in an expression")
    if isinstance(node, Modified):
        raise Problem(f"`@{node.kind}' inside an expression", "only add a number to it")
    if isinstance(node, Unary):
        operand = evaluate(node.operand, symbol, place, here)
        if operand.section is not None:
            raise Problem(f"`{node.op}' of an address (section {operand.section})")
        return Value(apply_unary(node.op, operand.number), None)
    left = evaluate(node.left, symbol, place, here)
    right = evaluate(node.right, symbol, place, here)
    number = apply(node.op, left.number, right.number)
    if left.section is None and right.section is None:
        return Value(number, None)
    if node.op == "+" and (left.section is None or right.section is None):
        return Value(number, left.section or right.section)
    if node.op == "-" and right.section is None:
        return Value(number, left.section)
    if left.section == right.section and node.op in SAME_SECTION:
        return Value(number, None)
    if node.op == "-" and here is not None and right.section == here:
        return Value(number, None)
    sections = f"{left.section or 'absolute'} and {right.section or 'absolute'}"
    raise Problem(f"`{node.op}' cannot combine operands of sections {sections}")
