"""Two-level i386 paging (Intel SDM vol. 3, 4.3 and 4.7).

    linear address   31........22 21........12 11.........0
                     directory    table        offset

    bit  name  PDE                                PTE
     0   P     present                            present
     1   RW    writable (with every other level)  writable
     2   US    user may access                    user may access
     3   PWT   (cache control, no effect here)    same
     4   PCD   (cache control, no effect here)    same
     5   A     set by the walk                    set by the walk
     6   D     set on a write, 4 MiB page only    set on a write
     7   PS    4 MiB page if CR4.PSE              (PAT)
     8   G     global, 4 MiB page only            global
    9-11 -     free for the operating system      same

A user access needs US at both levels, a write needs RW at both; a supervisor write looks at RW only
when CR0.WP is set. A page fault pushes this error code:

    bit 0  P    0 the page was not present, 1 the entry forbade the access
    bit 1  W    the access was a write
    bit 2  U    CPL was 3
    bit 3  RSVD a reserved bit was set in an entry
"""

from __future__ import annotations

from emu.notebook import number, table
from emu.ram import Ram
from emu.record import dataclass

PTE_P = 0x001
PTE_RW = 0x002
PTE_US = 0x004
PTE_PWT = 0x008
PTE_PCD = 0x010
PTE_A = 0x020
PTE_D = 0x040
PDE_PS = 0x080
PTE_G = 0x100
PTE_FRAME = 0xFFFFF000
PDE_BIG_FRAME = 0xFFC00000

PF_P = 1
PF_W = 2
PF_U = 4
PF_RSVD = 8

CR0_PE = 1 << 0
CR0_MP = 1 << 1
CR0_EM = 1 << 2
CR0_TS = 1 << 3
CR0_ET = 1 << 4
CR0_NE = 1 << 5
CR0_WP = 1 << 16
CR0_AM = 1 << 18
CR0_PG = 1 << 31
CR4_TSD = 1 << 2
CR4_DE = 1 << 3
CR4_PSE = 1 << 4
CR4_OSFXSR = 1 << 9
CR4_OSXMMEXCPT = 1 << 10


class PageFault(Exception):
    """An access that the page tables refuse: linear address and error code (SDM vol. 3, 4.7)."""

    def __init__(self, linear: int, error_code: int) -> None:
        super().__init__(f"page fault at linear {linear:#010x}, error code {error_code}")
        self.linear = linear
        self.error_code = error_code


@dataclass(frozen=True)
class Walk:
    """What the tables say of one linear address, without touching A and D.

    `pde_address` and `pte_address` are physical; `pte_address` and `pte` are None for a 4 MiB page
    or an absent table. `physical` is None when the page is not present.
    """

    linear: int
    pde_address: int
    pde: int
    pte_address: int | None
    pte: int | None
    physical: int | None
    user: bool
    writable: bool

    def _rows(self) -> list[tuple[str, str]]:
        """What it says, in words and hex."""
        names = ("linear", "pde_address", "pde", "pte_address", "pte", "physical")
        rows = [(name, number(getattr(self, name))) for name in names]
        return [*rows, ("user", str(self.user)), ("writable", str(self.writable))]

    def __repr__(self) -> str:
        return f"Walk({', '.join(f'{name}={text}' for name, text in self._rows())})"

    def _repr_html_(self) -> str:
        return table(f"page walk of {self.linear:#010x}", self._rows())


def walk(ram: Ram, cr3: int, linear: int, *, pse: bool = False) -> Walk:
    """Look a linear address up in the directory at physical CR3; A and D stay as they are. A page
    that is not there is told in the answer; BusError for tables outside RAM.
    """
    pde_address = (cr3 & PTE_FRAME) + (linear >> 22) * 4
    pde = ram.read32(pde_address)
    if not pde & PTE_P:
        return Walk(linear, pde_address, pde, None, None, None, False, False)
    if pde & PDE_PS and pse:
        physical = (pde & PDE_BIG_FRAME) | (linear & 0x3FFFFF)
        return Walk(
            linear, pde_address, pde, None, None, physical, bool(pde & PTE_US), bool(pde & PTE_RW)
        )
    pte_address = (pde & PTE_FRAME) + ((linear >> 12) & 0x3FF) * 4
    pte = ram.read32(pte_address)
    if not pte & PTE_P:
        return Walk(linear, pde_address, pde, pte_address, pte, None, False, False)
    physical = (pte & PTE_FRAME) | (linear & 0xFFF)
    user, writable = bool(pde & pte & PTE_US), bool(pde & pte & PTE_RW)
    return Walk(linear, pde_address, pde, pte_address, pte, physical, user, writable)


def access(
    ram: Ram, cr3: int, linear: int, *, write: bool, user: bool, wp: bool, pse: bool = False
) -> int:
    """Translate for one access as the CPU would: physical address, A and D set; or PageFault."""
    w = walk(ram, cr3, linear, pse=pse)
    error = (PF_W if write else 0) | (PF_U if user else 0)
    big = bool(w.pde & PDE_PS and pse)
    if w.pde & PTE_P and not big and not w.pde & PTE_A:
        ram.write32(w.pde_address, w.pde | PTE_A)  # it led to a table, whatever that says
    if w.physical is None:
        raise PageFault(linear, error)
    if (user and not w.user) or (write and not w.writable and (user or wp)):
        raise PageFault(linear, error | PF_P)
    mark = PTE_A | (PTE_D if write else 0)
    if w.pte_address is None:
        if w.pde & mark != mark:
            ram.write32(w.pde_address, w.pde | mark)
        return w.physical
    if w.pte is not None and w.pte & mark != mark:
        ram.write32(w.pte_address, w.pte | mark)
    return w.physical
