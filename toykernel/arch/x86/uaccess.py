"""The kernel's access to user memory (arch/x86/lib/usercopy_32.c).

Each access walks the task's page tables as the CPU would, faults pages in and breaks sharing on a write
(fork-path K8). Addresses at or above TASK_SIZE are refused, whatever their value or length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.paging import PTE_A, PTE_D, PTE_FRAME, PTE_P, PTE_RW, PTE_US
from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.pgtable import get_pte, pte_offset, set_pte
from toykernel.errno import E2BIG, EFAULT, ENAMETOOLONG, ENOMEM, Errno
from toykernel.mm.access import fault_in_user

if TYPE_CHECKING:
    from toykernel.mm.mm_types import MmStruct
    from toykernel.state import Kernel

_PRESENT = PTE_P | PTE_US
#: What an entry has that a read, or a write, neither faults at nor marks.
_READ = _PRESENT | PTE_A
_WRITTEN = _READ | PTE_RW | PTE_D


def access_ok(address: int, size: int) -> bool:
    """Whether `size` bytes at a linear address lie below TASK_SIZE, all of them."""
    return 0 <= address <= TASK_SIZE and 0 <= size <= TASK_SIZE - address


def user_page(k: Kernel, mm: MmStruct, address: int, write: bool) -> int:
    """Physical address behind an address of some user's memory, faulted in. Raises Errno(EFAULT)."""
    wanted = _WRITTEN if write else _READ
    pte = get_pte(k, mm, address)
    if pte & wanted == wanted:
        return (pte & PTE_FRAME) | (address & (PAGE_SIZE - 1))
    wanted = _PRESENT | (PTE_RW if write else 0)
    if pte & wanted != wanted:
        try:
            fault_in_user(k, mm, address, write, present=bool(pte & PTE_P))
        except Errno as error:
            if error.number == ENOMEM:
                raise Errno(EFAULT) from None
            raise
        pte = get_pte(k, mm, address)
    mark = PTE_A | (PTE_D if write else 0)
    if pte & mark != mark:
        at = pte_offset(k, mm, address)
        assert at is not None
        set_pte(k, mm, address & PTE_FRAME, at, pte | mark)
    return (pte & PTE_FRAME) | (address & (PAGE_SIZE - 1))


def user_frame(k: Kernel, address: int) -> int:
    """Physical address behind a readable address of the caller, faulted in. Raises Errno(EFAULT)."""
    mm = k.current.mm
    if mm is None or not access_ok(address, 1):
        raise Errno(EFAULT)
    return user_page(k, mm, address, False)


def read_some(k: Kernel, address: int, size: int) -> bytes:
    """As many of `size` bytes as can be read before one that cannot (may be none)."""
    mm = k.current.mm
    if mm is None or not access_ok(address, size):
        return b""
    parts = []
    while size:
        part = min(size, PAGE_SIZE - (address & (PAGE_SIZE - 1)))
        try:
            parts.append(k.machine.ram.read(user_page(k, mm, address, False), part))
        except Errno:
            break
        if k.host.trace.user_read:
            k.host.trace.user_read.emit(k.current, address, part)
        address += part
        size -= part
    return b"".join(parts)


def copy_from_user(k: Kernel, address: int, size: int) -> bytes:
    """Exactly `size` bytes, or Errno(EFAULT)."""
    data = read_some(k, address, size)
    if len(data) != size:
        raise Errno(EFAULT)
    return data


def copy_to_user(k: Kernel, address: int, data: bytes) -> None:
    """Store bytes, or Errno(EFAULT); pages before the bad one have been written then, as on Linux."""
    if not access_ok(address, len(data)) or copy_some_to_user(k, address, data) != len(data):
        raise Errno(EFAULT)


def copy_some_to_user(k: Kernel, address: int, data: bytes) -> int:
    """Store bytes up to the first that cannot be stored; how many there are before it."""
    mm = k.current.mm
    if mm is None or not access_ok(address, len(data)):
        return 0
    at = 0
    while at < len(data):
        part = min(len(data) - at, PAGE_SIZE - (address & (PAGE_SIZE - 1)))
        try:
            physical = user_page(k, mm, address, True)  # K8
        except Errno:
            break
        if k.host.trace.user_write:
            k.host.trace.user_write.emit(k.current, address, physical >> PAGE_SHIFT)
        k.machine.ram.write(physical, data[at : at + part])
        address += part
        at += part
    return at


def get_user(k: Kernel, address: int) -> int:
    """A 32-bit word of the caller's memory, unsigned. Raises Errno(EFAULT)."""
    current = k.current
    if address & 3 or not 0 <= address < TASK_SIZE or current.mm is None:
        return int.from_bytes(copy_from_user(k, address, 4), "little")
    try:
        physical = user_page(k, current.mm, address, False)
    except Errno:
        raise Errno(EFAULT) from None
    if k.host.trace.user_read:
        k.host.trace.user_read.emit(current, address, 4)
    return k.machine.ram.read32(physical)


def put_user(k: Kernel, value: int, address: int) -> None:
    """Store the low 32 bits of a value in the caller's memory. Raises Errno(EFAULT)."""
    current = k.current
    value &= 0xFFFFFFFF
    if address & 3 or not 0 <= address < TASK_SIZE or current.mm is None:
        copy_to_user(k, address, value.to_bytes(4, "little"))
        return
    try:
        physical = user_page(k, current.mm, address, True)  # K8
    except Errno:
        raise Errno(EFAULT) from None
    if k.host.trace.user_write:
        k.host.trace.user_write.emit(current, address, physical >> PAGE_SHIFT)
    k.machine.ram.write32(physical, value)


def strncpy_from_user(k: Kernel, address: int, limit: int) -> bytes:
    """A string without its NUL. Raises Errno(EFAULT), or Errno(ENAMETOOLONG) beyond `limit` bytes."""
    text = bytearray()
    while len(text) < limit:
        part = PAGE_SIZE - (address & (PAGE_SIZE - 1))
        if not access_ok(address, 1):
            raise Errno(EFAULT)
        chunk = read_some(k, address, min(part, limit - len(text), TASK_SIZE - address))
        if not chunk:
            raise Errno(EFAULT)
        end = chunk.find(0)
        if end >= 0:
            return bytes(text + chunk[:end])
        text += chunk
        address += len(chunk)
    raise Errno(ENAMETOOLONG)


def copy_struct_from_user(k: Kernel, address: int, size: int, known: int) -> bytes:
    """A record that may be shorter or longer than the kernel's own: what is missing is 0, and what the
    kernel does not know must be, which is looked at first. Raises Errno(E2BIG), Errno(EFAULT).
    """
    end = address + size
    at = address + known
    while at < end:  # page by page: what is not 0 counts before a page that is not there
        part = min(end, (at | 0xFFF) + 1) - at
        if any(copy_from_user(k, at, part)):
            raise Errno(E2BIG)
        at += part
    return copy_from_user(k, address, min(size, known)).ljust(known, b"\0")
