"""The sizes of jumps and paddings, settled in the order in which gas settles them.

gas's relaxation (write.c: relax_segment, relax_frag) goes through the fragments of a section again and
again. A jump that does not reach grows and never shrinks; one to a fragment that was not yet reached in
this pass supposes that its target moves as far as the jump itself did, unless an alignment between them
may swallow the move. A program's bytes depend on this order, so it is the same here.
"""

from __future__ import annotations

from collections.abc import Callable

from .expressions import Binary, Name, Node, Number, Position
from .fragments import Align, Branch, Fragment, Org, SectionBuild, SymbolBuild

MAX_PASSES = 100_000


def place_of(node: Node, symbols: dict[str, SymbolBuild]) -> Position | None:
    """The place in a section that a jump's target is, when it is one and no linker may change it."""
    offset = 0
    for _ in range(1000):
        if isinstance(node, Position):
            return Position(node.section, node.fragment, node.offset + offset)
        if isinstance(node, Name):
            symbol = symbols.get(node.name)
            if symbol is None or symbol.node is None or symbol.weak or symbol.indirect:
                return None
            node = symbol.node
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
            if size != fragment.tail_size:
                stretch += size - fragment.tail_size
                fragment.tail_size = size
                moved = True
        self.section.size += stretch
        return moved

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
