"""PROCMAP_QUERY on /proc/PID/maps: one area by an address, in place of the whole text (fs/proc/task_mmu.c of
6.11; include/uapi/linux/fs.h)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.uaccess import copy_from_user, copy_struct_from_user, copy_to_user
from toykernel.errno import E2BIG, EINVAL, ENAMETOOLONG, ENOENT, ENOTTY, ESRCH, Errno
from toykernel.fs.buildid import build_id_parse
from toykernel.fs.file import File
from toykernel.fs.namei import PATH_MAX
from toykernel.fs.proc.node import node_of, task_of
from toykernel.fs.proc.task_mmu import area_file, area_name
from toykernel.mm.mm_types import VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE, MmStruct, VmArea

if TYPE_CHECKING:
    from toykernel.state import Kernel

PROCMAP_QUERY = 0xC0686611
COVERING_OR_NEXT_VMA, FILE_BACKED_VMA = 0x10, 0x20
#: VMA_READABLE and its kin, by the area's own flags.
_PERMISSIONS = {VM_READ: 1, VM_WRITE: 2, VM_EXEC: 4, VM_MAYSHARE: 8}
_VALID = 0x3F
#: struct procmap_query: sizes, the question, then what is answered, and where names go.
_RECORD = struct.Struct("<9Q4I2Q")
_LEAST = 24  # to the end of query_addr


def procfs_procmap_ioctl(k: Kernel, file: File, request: int, argp: int) -> int:
    """The area at an address or behind it, of the kind asked for: bounds, permissions, file, name, build id.

    ENOTTY for another file or request; E2BIG, EINVAL for the record; ESRCH without memory; ENOENT where there
    is no such area; ENAMETOOLONG for a buffer that is too small; EFAULT.
    """
    if request != PROCMAP_QUERY or not node_of(file.inode).path.endswith("/maps"):
        raise Errno(ENOTTY)
    size = int.from_bytes(copy_from_user(k, argp, 8), "little")
    if size > PAGE_SIZE:
        raise Errno(E2BIG)
    if size < _LEAST:
        raise Errno(EINVAL)
    known = _RECORD.size
    fields = _RECORD.unpack(copy_struct_from_user(k, argp, size, known))
    _, flags, address = fields[:3]
    name_size, build_id_size, name_at, build_id_at = fields[11:]
    if (
        flags & ~_VALID
        or bool(name_size) != bool(name_at)
        or bool(build_id_size) != bool(build_id_at)
    ):
        raise Errno(EINVAL)
    mm = task_of(k, file.inode).mm
    if mm is None:
        raise Errno(ESRCH)
    area = query_matching_vma(mm, address, flags)
    build_id = build_id_parse(k, area) if build_id_size else b""
    if len(build_id) > build_id_size:
        raise Errno(ENAMETOOLONG)
    name = area_name(mm, area) if name_size else ""
    text = name.encode(errors="surrogateescape") + b"\0" if name else b""
    if len(text) > min(name_size, PATH_MAX):
        raise Errno(ENAMETOOLONG)
    answer = _RECORD.pack(*fields[:3], *_facts(area), len(text), len(build_id), *fields[13:])
    for at, data in ((name_at, text), (build_id_at, build_id), (argp, answer[:size])):
        if data:
            copy_to_user(k, at, data)
    return 0


def query_matching_vma(mm: MmStruct, address: int, flags: int) -> VmArea:
    """The area at an address, or the next one with COVERING_OR_NEXT_VMA, that has the permissions and the
    file that `flags` ask for. Raises Errno(ENOENT).
    """
    wanted = sum(bit for bit, asked in _PERMISSIONS.items() if flags & asked)
    while (area := mm.find_vma(address)) is not None:
        refused = area.vm_flags & wanted != wanted or (
            flags & FILE_BACKED_VMA and area.mapping is None
        )
        if not refused and (flags & COVERING_OR_NEXT_VMA or area.vm_start <= address):
            return area
        if not flags & COVERING_OR_NEXT_VMA:
            break
        address = area.vm_end
    raise Errno(ENOENT)


def _facts(area: VmArea) -> tuple[int, ...]:
    """vma_start to dev_minor of the record."""
    shown = sum(asked for bit, asked in _PERMISSIONS.items() if area.vm_flags & bit)
    return (area.vm_start, area.vm_end, shown, PAGE_SIZE, *area_file(area))
