"""The sizes of jumps and paddings, settled in the order in which gas settles them.

gas's relaxation (write.c: relax_segment, relax_frag) goes through the fragments of a section again and
again. A jump that does not reach grows and never shrinks; one to a fragment that was not yet reached in
this pass supposes that its target moves as far as the jump itself did, unless an alignment between them
may swallow the move. A program's bytes depend on this order, so it is the same here.
"""

from __future__ import annotations

from collections.abc import Callable

from .expressions import Binary, Modified, Name, Node, Number, Position
from .fragments import Align, Branch, Fragment, Leb, Org, SectionBuild, SymbolBuild

MAX_PASSES = 100_000


def place_of(node: Node, symbols: dict[str, SymbolBuild]) -> Position | None:
    """The place in a section that a jump's target is, when it is one and no linker may change it."""
    offset = 0
    for _ in range(1000):
        if isinstance(node, Modified) and node.kind == "PLT":
            node = node.operand
            name = node.origin if isinstance(node, Position) else None
            if name is not None and name in symbols and symbols[name].is_global:
                return None
        if isinstance(node, Position):
            return Position(node.section, node.fragment, node.offset + offset)
        if isinstance(node, Name):
            symbol = symbols.get(node.name)
            if symbol is None or symbol.meant is None or symbol.weak or symbol.indirect:
                return None
            node = symbol.meant
        elif isinstance(node, Binary) and node.op in "+-" and isinstance(node.right, Number):
            offset += node.right.value if node.op == "+" else -node.right.value
            node = node.left
        elif isinstance(node, Binary) and node.op == "+" and isinstance(node.left, Number):
            offset += node.left.value
            node = node.right
        else:
            return None
    return None


class Relaxation:
    """One section's fragments on their way to their sizes."""

    def __init__(
        self,
        section: SectionBuild,
        symbols: dict[str, SymbolBuild],
        size_of: Callable[[SectionBuild, Fragment, int], int],
    ) -> None:
        self.section = section
        self.fragments = section.ordered()
        self.size_of = size_of
        self.targets: dict[int, Position] = {}
        self.bouncing = 0
        self.region: list[int] = []
        self.order = {fragment.index: place for place, fragment in enumerate(self.fragments)}
        region = 0
        for fragment in self.fragments:
            tail = fragment.tail
            self.region.append(region)
            if isinstance(tail, Branch):
                target = place_of(tail.target, symbols)
                if target is None or target.section != section.name:
                    tail.long = True
                else:
                    if isinstance(tail.target, Modified):
                        tail.target = tail.target.operand
                    self.targets[fragment.index] = target
            elif isinstance(tail, (Align, Org)):
                region += 1

    def start(self) -> None:
        """First addresses, with every jump as short as it is now."""
        offset = 0
        for fragment in self.fragments:
            fragment.start = offset
            offset += fragment.length
            fragment.tail_size = self.size_of(self.section, fragment, offset)
            offset += fragment.tail_size
        self.section.size = offset

    def run(self) -> bool:
        """Relax until nothing changes; whether anything did. Only jumps and paddings take part."""
        changed = False
        for _ in range(MAX_PASSES):
            if not self._pass():
                break
            changed = True
        return changed

    def _pass(self) -> bool:
        stretch = 0
        moved = False
        for place, fragment in enumerate(self.fragments):
            fragment.start += stretch
            tail = fragment.tail
            if tail is None:
                continue
            if isinstance(tail, Branch):
                if tail.long or not self._too_far(place, fragment, stretch):
                    continue
                tail.long = True
            at = fragment.start + fragment.length
            size = self.size_of(self.section, fragment, at)
            if size == fragment.tail_size:
                continue
            if isinstance(tail, Align) and size < fragment.tail_size and self._bounces():
                fragment.extra += tail.boundary
                size += tail.boundary
            stretch += size - fragment.tail_size
            fragment.tail_size = size
            moved = True
            self._watch(tail, stretch)
        self.section.size += stretch
        round_done = not stretch and not self.bouncing & 16 and self.bouncing & -16
        self.bouncing = self.bouncing + 1 if round_done else 0
        return moved

    def _bounces(self) -> bool:
        """Whether a LEB128 before it has grown and shrunk in turns: a length that no size of it fits."""
        return bool(self.bouncing & 16) and self.bouncing & 15 >= 2

    def _watch(self, tail: object, stretch: int) -> None:
        """Count as gas's rs_leb128_fudge does: 16s for a LEB128 and an alignment that undoes its change."""
        if isinstance(tail, Leb) or (
            isinstance(tail, Align) and self.bouncing & 16 and stretch == 0
        ):
            self.bouncing += 16
        else:
            self.bouncing = 0

    def _too_far(self, place: int, fragment: Fragment, stretch: int) -> bool:
        target = self.targets[fragment.index]
        address = self.section.fragments[target.fragment].start + target.offset
        end = fragment.start + fragment.length + 2
        there = self.order[target.fragment]
        if stretch and there > place:
            if stretch < 0 or self.region[there] == self.region[place]:
                address += stretch
            elif address < end - 1:
                following = (
                    self.fragments[place + 1] if place + 1 < len(self.fragments) else fragment
                )
                address = following.start + stretch
        return not -128 <= address - end <= 127
