"""Holding user pages (mm/gup.c): the kernel keeps a frame for later, whatever becomes of its entry.

A frame that is held has one more reference than entries, so a write to it by the program is copied
(do_wp_page): what the kernel holds does not change any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT
from toykernel.arch.x86.uaccess import user_frame

if TYPE_CHECKING:
    from toykernel.state import Kernel


def get_user_page(k: Kernel, address: int) -> int:
    """Fault the page of an address of the caller in for reading and hold it; its frame.

    Raises Errno(EFAULT).
    """
    pfn = user_frame(k, address) >> PAGE_SHIFT
    k.memory.pages.get_page(pfn)
    k.memory.pins[pfn] = k.memory.pins.get(pfn, 0) + 1
    if k.host.trace.page_pin:
        k.host.trace.page_pin.emit(pfn, True)
    return pfn


def put_user_page(k: Kernel, pfn: int) -> None:
    """Give back a reference to a frame that get_user_page took."""
    k.memory.pins[pfn] -= 1
    if not k.memory.pins[pfn]:
        del k.memory.pins[pfn]
    if k.host.trace.page_pin:
        k.host.trace.page_pin.emit(pfn, False)
    k.memory.pages.put_page(k, pfn)
