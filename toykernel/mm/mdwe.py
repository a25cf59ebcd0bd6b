"""Memory-deny-write-execute (linux/mman.h): what PR_SET_MDWE forbids an address space."""

from __future__ import annotations

from toykernel.mm.mm_types import VM_EXEC, VM_WRITE, MmStruct

PR_MDWE_REFUSE_EXEC_GAIN, PR_MDWE_NO_INHERIT = 1, 2


def inherited_mdwe(mm: MmStruct) -> int:
    """What a copy of an address space has of it, and the one that an exec makes."""
    return 0 if mm.mdwe & PR_MDWE_NO_INHERIT else mm.mdwe


def map_deny_write_exec(mm: MmStruct, old: int, new: int) -> bool:
    """Whether flags of an area may not become these: writable code, or code of what was none."""
    if not mm.mdwe or not new & VM_EXEC:
        return False
    return bool(new & VM_WRITE) or not old & VM_EXEC
