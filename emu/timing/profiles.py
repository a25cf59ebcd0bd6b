"""The timing profiles: which clocks, which rules, and what a trap costs.

i486        documented clocks, the core rules, L1 and TLB: 33 MHz, bus 2-1-2
i486-ideal  the same with every access a hit: a pure function of the instruction stream
i386        documented 80386 clocks, no cache; optimistic by up to 10 % on branches
off         instructions only, one cycle each
"""

from __future__ import annotations

from emu.record import dataclass
from emu.timing import rules
from emu.timing.rules import Rep


@dataclass(frozen=True)
class Profile:
    """One CPU as the model sees it. Numbers are clocks; 0 turns a rule off."""

    name: str
    cpu: str  # column of the table
    agi: int  # rule 2
    index: int  # rule 3; on the i386 only with a base as well
    disp_imm: int  # rule 4
    prefix: int  # rule 5
    byte_register: int  # rule 6
    misaligned: int  # rule 7
    memory: bool  # rules 11 to 13
    accessed: int  # a descriptor's Accessed bit must be set
    gate_inner: int
    gate_same: int
    page_fault: int
    external: int
    rep: dict[str, Rep]

    @property
    def i386(self) -> bool:
        """Clocks of the 80386's manual: no cache, other formulas for MUL, BSF, BSR."""
        return self.cpu == "i386"

    def gate(self, *, inward: bool, page_fault: bool = False, external: bool = False) -> int:
        """Rule 10: delivering a trap, everything cached."""
        clocks = self.gate_inner if inward else self.gate_same
        return clocks + page_fault * self.page_fault + external * self.external


def _i486(name: str, *, memory: bool) -> Profile:
    return Profile(
        name=name,
        cpu="i486",
        agi=1,
        index=1,
        disp_imm=1,
        prefix=1,
        byte_register=1,
        misaligned=3,
        memory=memory,
        accessed=rules.ACCESSED_CLOCKS,
        gate_inner=71,
        gate_same=44,
        page_fault=rules.PAGE_FAULT_CLOCKS,
        external=rules.EXTERNAL_CLOCKS,
        rep=rules.REP_I486,
    )


_I386 = Profile(
    name="i386",
    cpu="i386",
    agi=0,
    index=1,
    disp_imm=0,
    prefix=0,
    byte_register=0,
    misaligned=2,
    memory=False,
    accessed=0,
    gate_inner=99,
    gate_same=59,
    page_fault=0,
    external=0,
    rep=rules.REP_I386,
)

OFF = "off"
#: What the command line uses without --timing.
DEFAULT_PROFILE = "i486"
PROFILES: dict[str, Profile] = {
    "i486": _i486("i486", memory=True),
    "i486-ideal": _i486("i486-ideal", memory=False),
    "i386": _I386,
}
PROFILE_NAMES = (*PROFILES, OFF)
