"""System V shared memory (ipc/shm.c): segments that stay until they are removed and nobody maps them.

A segment is an object of the page cache without a file. The segment itself counts as one of those who map
it, so its frames stay while nobody else does.
"""

from __future__ import annotations

import struct
from dataclasses import field
from typing import TYPE_CHECKING

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from emu.record import dataclass
from toykernel.arch.x86.asm_offsets import TASK_SIZE
from toykernel.arch.x86.uaccess import copy_to_user
from toykernel.errno import EINVAL, ENOMEM, ENOSPC, EPERM, Errno
from toykernel.ipc.sem import own_tgid
from toykernel.ipc.util import (
    IPC_64,
    IPC_INFO,
    IPC_PRIVATE,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    S_IRUGO,
    S_IWUGO,
    IpcIds,
    KernIpcPerm,
    check_owner,
    find,
    find_index,
    highest_index,
    ident_taken,
    ipcget,
    ipcperms,
    new_ident,
    new_perm,
    pack_perm,
    read_perm,
    seconds,
    set_perm,
)
from toykernel.kernel.cred import CAP_IPC_LOCK, capable
from toykernel.kernel.signal_types import RLIMIT_MEMLOCK
from toykernel.mm.filemap import AddressSpace
from toykernel.mm.mm_types import (
    VM_EXEC,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
    MmStruct,
)
from toykernel.mm.mman import MAP_FIXED, MAP_NORESERVE, no_huge_page
from toykernel.mm.mmap import do_munmap, get_unmapped_area, mmap_region, page_align, user_mm
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel

SHMMIN, SHMMNI = 1, 4096
SHMMAX = (1 << 32) - 1 - (1 << 24)
SHMALL = (1 << 32) - 1 - (1 << 24)  # pages
SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = 11, 12, 13, 14, 15
SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC = 0o10000, 0o20000, 0o40000, 0o100000
HUGETLB_SHM_GROUP = 0  # vm.hugetlb_shm_group
SHM_DEST, SHM_LOCKED, SHM_HUGETLB = 0o1000, 0o2000, 0o4000
SHMLBA = PAGE_SIZE


@dataclass(eq=False)
class ShmidKernel(KernIpcPerm):
    """struct shmid_kernel: `segsz` in bytes, times in seconds."""

    segsz: int
    mapping: AddressSpace
    ids: ShmIds
    ctime: int = 0
    atime: int = 0
    dtime: int = 0
    cpid: int = 0
    lpid: int = 0

    @property
    def pages(self) -> int:
        """The segment's size in pages."""
        return page_align(self.segsz) >> PAGE_SHIFT

    @property
    def nattch(self) -> int:
        """How many areas map it: all but the segment's own hold on it."""
        return self.mapping.i_mmap - 1


@dataclass(eq=False)
class ShmIds(IpcIds):
    """The segments of one namespace, by identifier, and its limits."""

    segments: dict[int, ShmidKernel] = field(default_factory=dict)
    ctlmax: int = SHMMAX
    ctlall: int = SHMALL
    ctlmni: int = SHMMNI

    @property
    def tot(self) -> int:
        """Pages of all segments."""
        return sum(shp.pages for shp in self.segments.values())


def _ids(k: Kernel) -> ShmIds:
    return k.current.nsproxy.ipc_ns.shm_ids


# -- making and removing ---------------------------------------------------------------------------


@syscall(395, "key:int size:size shmflg:hex")
def sys_shmget(k: Kernel, key: int, size: int, shmflg: int) -> int:
    """shmget: the identifier of a key's segment. EINVAL for its size, ENOENT, EEXIST, EACCES, ENOSPC,
    ENOMEM.
    """
    ids = _ids(k)

    def check(shp: ShmidKernel) -> None:
        if size > shp.segsz:
            raise Errno(EINVAL)

    return ipcget(k, ids.segments, key, shmflg, lambda: _newseg(k, ids, key, size, shmflg), check)


def _newseg(k: Kernel, ids: ShmIds, key: int, size: int, shmflg: int) -> int:
    if not SHMMIN <= size <= ids.ctlmax:
        raise Errno(EINVAL)
    if ids.tot + (page_align(size) >> PAGE_SHIFT) > ids.ctlall:
        raise Errno(ENOSPC)
    if shmflg & SHM_HUGETLB:
        cred = k.current.cred
        allowed = capable(k, CAP_IPC_LOCK) or HUGETLB_SHM_GROUP in (cred.fsgid, *cred.groups)
        raise Errno(no_huge_page(shmflg) if allowed else EPERM)
    ident = new_ident(ids, ids.segments, ids.ctlmni)
    slab = k.memory.slabs.shm.alloc(k)
    ident_taken(ids)
    mapping = AddressSpace(f"/SYSV{key & 0xFFFFFFFF:08x} (deleted)", size=page_align(size))
    perm = new_perm(k, slab, ident, key, shmflg)
    shp = ShmidKernel(*perm, size, mapping, ids, ctime=seconds(k), cpid=own_tgid(k.current))
    mapping.map_area(k)
    mapping.private = shp
    mapping.area_opened, mapping.area_closed = shm_open, shm_close
    ids.segments[ident] = shp
    return ident


def shm_open(k: Kernel, mapping: AddressSpace) -> None:
    """One more area maps the segment."""
    shp: ShmidKernel = mapping.private
    shp.atime, shp.lpid = seconds(k), own_tgid(k.current)


def shm_close(k: Kernel, mapping: AddressSpace) -> None:
    """One area less; the last one of a segment that has been removed ends it."""
    shp: ShmidKernel = mapping.private
    shp.dtime, shp.lpid = seconds(k), own_tgid(k.current)
    if shp.mode & SHM_DEST and not shp.nattch:
        shm_destroy(k, shp)


def shm_destroy(k: Kernel, shp: ShmidKernel) -> None:
    """The segment and its frames go."""
    del shp.ids.segments[shp.ident]
    shp.mapping.area_closed = shp.mapping.area_opened = None
    shp.mapping.unmap_area(k)
    k.memory.slabs.shm.free(k, shp.slab)


def _remove(k: Kernel, shp: ShmidKernel) -> None:
    """Without a key from now on, and gone once nobody maps it (do_shm_rmid)."""
    if not shp.nattch:
        shm_destroy(k, shp)
        return
    shp.mode |= SHM_DEST
    shp.key = IPC_PRIVATE


def free_all_shms(k: Kernel, ids: ShmIds) -> None:
    """The namespace is gone: its segments go with their last mapping."""
    for shp in list(ids.segments.values()):
        _remove(k, shp)


# -- mapping ---------------------------------------------------------------------------------------


def do_shmat(k: Kernel, shmid: int, shmaddr: int, shmflg: int) -> int:
    """Map a segment; its address. Raises Errno: EINVAL, EACCES, ENOMEM."""
    if shmid < 0:
        raise Errno(EINVAL)
    fixed = MAP_FIXED if shmaddr else 0
    if shmaddr:
        if shmaddr & (SHMLBA - 1):
            if not shmflg & SHM_RND:
                raise Errno(EINVAL)
            shmaddr &= -SHMLBA
            if not shmaddr and shmflg & SHM_REMAP:
                raise Errno(EINVAL)
    elif shmflg & SHM_REMAP:
        raise Errno(EINVAL)
    vm_flags = VM_READ | VM_MAYREAD | VM_MAYEXEC | VM_MAYSHARE
    access = S_IRUGO
    if not shmflg & SHM_RDONLY:
        vm_flags |= VM_WRITE | VM_MAYWRITE | VM_SHARED
        access |= S_IWUGO
    if shmflg & SHM_EXEC:
        vm_flags |= VM_EXEC
        access |= 0o111
    shp = find(_ids(k).segments, shmid)
    ipcperms(k, shp, access)
    mm = user_mm(k)
    length = page_align(shp.segsz)
    end = shmaddr + length
    if shmaddr and not shmflg & SHM_REMAP and (end > TASK_SIZE or mm.overlapping(shmaddr, end)):
        raise Errno(EINVAL)
    at = get_unmapped_area(k, mm, shmaddr, length, fixed)
    mapping = shp.mapping
    return mmap_region(
        k, mm, at, length, MAP_NORESERVE, vm_flags | mm.def_flags, 0, mapping, mapping.name
    )


@syscall(397, "shmid:int shmaddr:address shmflg:hex")
def sys_shmat(k: Kernel, shmid: int, shmaddr: int, shmflg: int) -> int:
    """shmat: map a segment; the address. EINVAL, EACCES, ENOMEM."""
    return do_shmat(k, shmid, shmaddr, shmflg)


@syscall(398, "shmaddr:address")
def sys_shmdt(k: Kernel, shmaddr: int) -> int:
    """shmdt: take a mapping away, by its address. EINVAL when none begins there."""
    if shmaddr & (SHMLBA - 1):
        raise Errno(EINVAL)
    mm = user_mm(k)
    mapping = _attached(mm, shmaddr)
    if mapping is None:
        raise Errno(EINVAL)
    for area in mm.overlapping(shmaddr, shmaddr + mapping.size):
        if area.mapping is mapping and area.vm_start - shmaddr == area.vm_pgoff << PAGE_SHIFT:
            do_munmap(k, mm, area.vm_start, area.vm_end - area.vm_start)
    return 0


def _attached(mm: MmStruct, address: int) -> AddressSpace | None:
    """The segment of which some part is where a mapping at an address would have it."""
    for area in mm.overlapping(address, TASK_SIZE):
        mapping = area.mapping
        if mapping is None or not isinstance(mapping.private, ShmidKernel):
            continue
        if area.vm_start - address == area.vm_pgoff << PAGE_SHIFT:
            return mapping
    return None


# -- control ---------------------------------------------------------------------------------------


@syscall(396, "shmid:int cmd:int buf:address")
def sys_shmctl(k: Kernel, shmid: int, cmd: int, buf: int) -> int:
    """shmctl: look at a segment, change, lock or remove it. EINVAL, EACCES, EPERM, EFAULT."""
    cmd &= ~IPC_64
    ids = _ids(k)
    if cmd < 0 or shmid < 0:
        raise Errno(EINVAL)
    if cmd == IPC_INFO:
        words = (ids.ctlmax, SHMMIN, ids.ctlmni, ids.ctlmni, ids.ctlall, 0, 0, 0, 0)
        copy_to_user(k, buf, struct.pack("<9I", *words))
        return highest_index(ids.segments)
    if cmd == SHM_INFO:
        resident = sum(len(shp.mapping.pages) for shp in ids.segments.values())
        copy_to_user(k, buf, struct.pack("<6I", len(ids.segments), ids.tot, resident, 0, 0, 0))
        return highest_index(ids.segments)
    if cmd in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
        by_index = cmd != IPC_STAT
        shp = find_index(ids.segments, shmid) if by_index else find(ids.segments, shmid)
        if cmd != SHM_STAT_ANY:
            ipcperms(k, shp, S_IRUGO)
        copy_to_user(k, buf, _shmid64_ds(shp))
        return shp.ident if by_index else 0
    if cmd == IPC_SET:
        values = read_perm(k, buf)
        shp = find(ids.segments, shmid)
        check_owner(k, shp)
        set_perm(shp, values)
        shp.ctime = seconds(k)
        return 0
    if cmd == IPC_RMID:
        shp = find(ids.segments, shmid)
        check_owner(k, shp)
        _remove(k, shp)
        return 0
    if cmd in (SHM_LOCK, SHM_UNLOCK):
        return _lock(k, find(ids.segments, shmid), cmd == SHM_LOCK)
    raise Errno(EINVAL)


def _lock(k: Kernel, shp: ShmidKernel, lock: bool) -> int:
    """Nothing is ever swapped: what is left is who may, and a bit of the mode."""
    if not capable(k, CAP_IPC_LOCK):
        if k.current.cred.euid not in (shp.uid, shp.cuid):
            raise Errno(EPERM)
        limit = k.current.signal.rlim[RLIMIT_MEMLOCK][0]
        if lock and not limit:
            raise Errno(EPERM)
        if lock and shp.segsz > limit:
            raise Errno(ENOMEM)
    shp.mode = shp.mode | SHM_LOCKED if lock else shp.mode & ~SHM_LOCKED
    return 0


def _shmid64_ds(shp: ShmidKernel) -> bytes:
    times = (shp.atime, 0, shp.dtime, 0, shp.ctime, 0)
    return pack_perm(shp) + struct.pack(
        "<12I", shp.segsz, *times, shp.cpid, shp.lpid, shp.nattch, 0, 0
    )
