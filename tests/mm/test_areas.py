"""The index of areas: the holes that it knows are those between its areas."""

from __future__ import annotations

import random

from toykernel.mm.mm_types import VM_GROWSDOWN, Areas, VmArea

PAGE, TOP, GUARD = 4096, 64 * 4096, 3 * 4096


def holes(areas: list[VmArea]) -> list[tuple[int, int]]:
    """Below TOP, by looking at each area in turn."""
    found, top = [], TOP
    for area in sorted(areas, key=lambda area: -area.vm_start):
        if area.vm_start >= TOP:
            continue
        if area.vm_end < top:
            found.append((area.vm_end, top))
        top = min(top, area.vm_start - (GUARD if area.vm_flags & VM_GROWSDOWN else 0))
    return [*found, (0, top)] if top > 0 else found


def test_holes_are_what_lies_between_the_areas() -> None:
    chance = random.Random(7)
    areas, kept = Areas(), {}
    for _ in range(4000):
        page = chance.randrange(1, 70)
        start, end = page * PAGE, (page + chance.randrange(1, 4)) * PAGE
        if start in kept and chance.random() < 0.7:
            areas.remove(start)
            del kept[start]
        elif not any(start < area.vm_end and area.vm_start < end for area in kept.values()):
            kept[start] = VmArea(start, end, VM_GROWSDOWN if chance.random() < 0.1 else 0)
            areas.insert(kept[start])
        known = [(low, high) for low, high in areas.holes_below(TOP, GUARD) if low < high]
        assert known == holes(list(kept.values()))
    areas.clear()
    assert list(areas.holes_below(TOP, GUARD)) == [(0, TOP)]
