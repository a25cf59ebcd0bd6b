"""What registers say, in words: flags and bits of CR0 by name, selectors by what they select."""

from __future__ import annotations

from emu.eflags import EFLAGS_CF, EFLAGS_DF, EFLAGS_IF, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM
from emu.paging import (
    CR0_AM,
    CR0_EM,
    CR0_ET,
    CR0_MP,
    CR0_NE,
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR0_WP,
)
from toykernel.arch.x86.asm_offsets import (
    GDT_TLS_ENTRIES,
    GDT_TLS_MIN,
    KERNEL_CS,
    KERNEL_DS,
    TSS_SELECTOR,
    USER_CS,
    USER_DS,
)

SELECTORS = {
    KERNEL_CS: "__KERNEL_CS",
    KERNEL_DS: "__KERNEL_DS",
    USER_CS: "__USER_CS",
    USER_DS: "__USER_DS",
    TSS_SELECTOR: "TSS",
    **{(GDT_TLS_MIN + n) * 8 + 3: f"TLS {n}" for n in range(GDT_TLS_ENTRIES)},
}
FLAG_BITS = (
    (EFLAGS_CF, "CF"), (1 << 2, "PF"), (1 << 4, "AF"), (1 << 6, "ZF"), (1 << 7, "SF"),
    (EFLAGS_TF, "TF"), (EFLAGS_IF, "IF"), (EFLAGS_DF, "DF"), (1 << 11, "OF"), (EFLAGS_NT, "NT"),
    (EFLAGS_RF, "RF"), (EFLAGS_VM, "VM"), (1 << 18, "AC"), (1 << 21, "ID"),
)  # fmt: skip
_CR0_BITS = (
    (CR0_PE, "PE"), (CR0_MP, "MP"), (CR0_EM, "EM"), (CR0_TS, "TS"), (CR0_ET, "ET"),
    (CR0_NE, "NE"), (CR0_WP, "WP"), (CR0_AM, "AM"), (CR0_PG, "PG"),
)  # fmt: skip


def _bits(value: int, table: tuple[tuple[int, str], ...]) -> str:
    return " ".join(name for bit, name in table if value & bit)


def eflags_text(value: int) -> str:
    """Names of the flags that are set, and IOPL when it is not 0."""
    iopl = value >> 12 & 3
    return (_bits(value, FLAG_BITS) + (f" IOPL={iopl}" if iopl else "")).strip()


def cr0_text(value: int) -> str:
    """Names of the bits of CR0 that are set."""
    return _bits(value, _CR0_BITS)


def selector_text(value: int) -> str:
    """Linux's name, or table, index and RPL."""
    selector = value & 0xFFFF
    if not selector & 0xFFFC:
        return "null"
    rpl = f"RPL {selector & 3}"
    if selector in SELECTORS:
        return f"{SELECTORS[selector]}, {rpl}"
    return f"{'LDT' if selector & 4 else 'GDT'} entry {selector >> 3}, {rpl}"
