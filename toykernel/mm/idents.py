"""Numbers for what the kernel refers to by number: each counts up from boot and is never used again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Idents:
    """The last number given of each kind."""

    mm: int = 0
    mapping: int = 0
    anon_vma: int = 0

    def next_mm(self) -> int:
        """A number for a new address space."""
        self.mm += 1
        return self.mm

    def next_mapping(self) -> int:
        """A number for an object that gets mapped."""
        self.mapping += 1
        return self.mapping

    def next_anon_vma(self) -> int:
        """A number for a set of areas whose private pages may lie in one area."""
        self.anon_vma += 1
        return self.anon_vma
