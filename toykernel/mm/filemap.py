"""The page cache (mm/filemap.c, mm/shmem.c): pages that belong to an object, not to a process.

An AddressSpace is a file's memory, or a piece of memory shared without a file. Whoever maps it maps the
same frames. The cache holds one reference to each of its frames; the frames go when the last area that
maps the object goes, and what was written to them is in `contents` then. Those of a program that has run
stay until memory is short: it may run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from emu.ram import PAGE_SHIFT, PAGE_SIZE
from toykernel.fs.inode import igrab, iput
from toykernel.mm.file_bytes import FileBytes

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.fs.inode import Inode
    from toykernel.fs.super import SuperBlock
    from toykernel.mm.mm_types import VmArea
    from toykernel.state import Kernel

_ZEROS = bytes(PAGE_SIZE)


class FaultSigbus(Exception):
    """The page lies beyond the end of what is mapped (VM_FAULT_SIGBUS)."""


class UserFault(FaultSigbus):
    """A userfaultfd is to give the page, or leave to write to it (VM_FAULT_RETRY); who cannot wait for that
    has none. `reason` is UFFD_PAGEFAULT_FLAG_WP, _MINOR, or 0 for a page that is missing."""

    def __init__(self, reason: int = 0) -> None:
        super().__init__()
        self.reason = reason


class AddressSpace:
    """struct address_space: the pages of one object, by index.

    `contents` are a file's bytes, shared with the file system; None for memory without a file, which
    has `size` bytes. `host` is the file, which is held while it is mapped. `name` is for people.
    """

    def __init__(
        self,
        name: str,
        contents: FileBytes | None = None,
        size: int = 0,
        host: Inode | None = None,
    ) -> None:
        self.name = name
        self.contents = contents
        self.host = host
        self._size = size
        self.pages: dict[int, int] = {}  # index -> frame
        self.i_mmap = 0  # areas that map it
        self.stored_to = False  # by an area that is shared and may be written: the bytes may be old
        #: Whose memory it is, and who is told of each area that begins or ends to map it (vm_ops).
        self.private: Any = None
        self.area_opened: Callable[[Kernel, AddressSpace], None] | None = None
        self.area_closed: Callable[[Kernel, AddressSpace], None] | None = None
        self.ident = 0  # counts up from boot, while it is mapped

    @property
    def size(self) -> int:
        """Bytes up to the end of the file, or of the shared anonymous object."""
        return self._size if self.contents is None else self.contents.size

    def map_area(self, k: Kernel) -> None:
        """One more area maps it; the first one gives it a number, its key in k.memory.mappings."""
        self.i_mmap += 1
        if self.i_mmap == 1:
            self.ident = k.memory.idents.next_mapping()
            k.memory.mappings[self.ident] = self
            if self.host is not None:
                igrab(self.host)
        if self.area_opened is not None:
            self.area_opened(k, self)

    def unmap_area(self, k: Kernel) -> None:
        """One area fewer; the last one writes the frames back to the file and frees them."""
        self.i_mmap -= 1
        if not self.i_mmap:
            self.write_back(k)
            self.stored_to = False
            for _, pfn in sorted(self.pages.items()):
                k.memory.pages.put_page(k, pfn)
            self.pages.clear()
            del k.memory.mappings[self.ident]
            if self.host is not None:
                iput(k, self.host)
        if self.area_closed is not None:
            self.area_closed(k, self)

    def has_page(self, index: int) -> bool:
        """Whether a page is there, so that it would not have to be made."""
        return index in self.pages or (self.contents is not None and index in self.contents.pages)

    def find_or_create_page(self, k: Kernel, index: int) -> int:
        """The frame of a page. Raises Errno(ENOMEM), or FaultSigbus beyond the end."""
        pfn = self.pages.get(index)
        if pfn is None:
            if index << PAGE_SHIFT >= self.size:
                raise FaultSigbus
            pfn = k.memory.pages.get_zeroed_page(k, "page cache", highmem=True)
            if self.contents is not None:
                start = index << PAGE_SHIFT
                k.machine.ram.write(pfn << PAGE_SHIFT, self.contents.read(start, PAGE_SIZE))
            self.pages[index] = pfn
        return pfn

    def write_back(self, k: Kernel, start: int = 0, count: int | None = None) -> None:
        """Put what the frames hold into the file's bytes, `count` of them from `start` at least, or all;
        frames stay. Nothing for what has no file.
        """
        if self.contents is None or not self.stored_to:
            return
        wanted = self.pages if count is None else self._indices(start, start + count)
        for index in sorted(wanted):
            pfn = self.pages[index]
            at = index << PAGE_SHIFT
            length = min(PAGE_SIZE, self.contents.size - at)
            if length > 0:
                data = k.machine.ram.read(pfn << PAGE_SHIFT, length)
                if index in self.contents.pages:
                    self.contents.write(at, data)
                elif data != _ZEROS[:length]:  # a hole that was written to takes room now
                    self.contents.write(at, data)
                    if self.host is not None:
                        self.host.i_sb.s_bytes += PAGE_SIZE

    def _indices(self, start: int, end: int) -> Iterable[int]:
        """Those of the pages that are there of a range of bytes."""
        first, last = start >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT
        if last - first < len(self.pages):
            return [index for index in range(first, last) if index in self.pages]
        return [index for index in self.pages if first <= index < last]

    def wrote(self, k: Kernel, start: int, length: int) -> None:
        """write(2) has changed `length` bytes of the file from `start`:
        the frames that hold them follow.
        """
        assert self.contents is not None
        for index in range(start >> PAGE_SHIFT, (start + length + PAGE_SIZE - 1) >> PAGE_SHIFT):
            pfn = self.pages.get(index)
            if pfn is not None:
                first = max(start, index << PAGE_SHIFT)
                last = min(start + length, (index + 1) << PAGE_SHIFT)
                at = (pfn << PAGE_SHIFT) + (first & (PAGE_SIZE - 1))
                k.machine.ram.write(at, self.contents.read(first, last - first))


def keep_program(k: Kernel, mapping: AddressSpace) -> None:
    """A program has been executed: its pages outlive their last area. They go when memory is short
    (page_alloc.shrink_page_cache), when the file has lost its last name, or with its file system.
    """
    if not k.host.profile.shares_program_pages or mapping.host is None or not mapping.host.nlink:
        return
    if mapping.ident not in k.memory.kept:
        mapping.map_area(k)
        k.memory.kept[mapping.ident] = mapping


def forget_programs(k: Kernel, sb: SuperBlock) -> None:
    """Those of a file system that goes."""
    for ident, mapping in list(k.memory.kept.items()):
        if mapping.host is not None and mapping.host.i_sb is sb:
            del k.memory.kept[ident]
            mapping.unmap_area(k)


def shmem_zero_setup(size: int) -> AddressSpace:
    """The object behind a shared anonymous mapping of `size` bytes."""
    return AddressSpace("/dev/zero (deleted)", size=size)


def vma_frame(k: Kernel, vma: VmArea, address: int) -> int:
    """The page cache's frame for an address: the same for all who map it, before a fork and after
    (fork-path K13). Raises Errno(ENOMEM) or FaultSigbus."""
    assert vma.mapping is not None
    return vma.mapping.find_or_create_page(k, vma.page_index(address))


def generic_file_mmap(k: Kernel, file: File) -> AddressSpace:
    """f_op->mmap of a file that has a page cache; people know it by the path of the first open."""
    mapping = file.inode.i_mapping
    assert mapping is not None
    mapping.name = mapping.name or file.path
    return mapping
