"""Pages of a program that has run stay in the page cache, as Linux keeps them, until memory is short."""

from __future__ import annotations

import pytest
from elf_image import EXIT, TEXT, Phdr, elf
from guest import boot, finish, run_to

from toykernel.check.invariants import check_all
from toykernel.errno import ENOMEM, Errno
from toykernel.fs.namei import path_lookup
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.mm.filemap import AddressSpace, forget_programs
from toykernel.profiles import PROFILES

PAGES = 3
OTHER = elf(Phdr(TEXT, (EXIT % 0).ljust(PAGES << 12, b"\x90"), offset=0x1000))
#: Runs /other as often as `times` says, then goes on at `ran`; then unlinks it.
SOURCE = """
.include "process.inc"
    movl $TIMES, %esi
again:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    decl %esi
    jnz again
ran:
    movl $10, %eax              # unlink
    movl $file, %ebx
    int $0x80
    movl %eax, %ebx
gone:
    movl $1, %eax
    int $0x80
child:
    movl $11, %eax              # execve
    movl $file, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    ud2
.section .rodata
file: .asciz "/other"
.bss
status: .long 0
"""


def ran(times: int, kernel: str = "6.x") -> Session:
    source = SOURCE.replace("TIMES", str(times))
    session = boot(source, files={"/other": OTHER}, profile=PROFILES[kernel])
    run_to(session, "ran")
    return session


def cache(session: Session) -> AddressSpace:
    mapping = path_lookup(session.kernel, "/other").found().dentry.inode.i_mapping
    assert mapping is not None
    return mapping


def test_the_second_run_finds_the_first_one_s_pages() -> None:
    once, twice = ran(1), ran(2)
    assert len(cache(once).pages) == PAGES
    assert cache(once).pages == cache(twice).pages
    assert not any(
        area.mapping is cache(twice) for mm in twice.kernel.memory.mms.values() for area in mm
    )
    check_all(twice.kernel)
    assert leaked_frames(twice.kernel) == 0


def test_the_translated_code_stays() -> None:
    """What is run again need not be translated again: nothing was stored into the frames of its code."""
    session = boot(SOURCE.replace("TIMES", "2"), files={"/other": OTHER}, profile=PROFILES["6.x"])
    run_to(session, "child")
    run_to(session, "again")
    ram, stale = session.kernel.machine.ram, []
    pages = [pfn << 12 for pfn in cache(session).pages.values()]
    ram.on_write = lambda at, length: stale.append(at) if at & ~0xFFF in pages else None
    run_to(session, "ran")
    assert pages
    assert not stale


def test_they_go_with_the_last_name() -> None:
    session = ran(1)
    before = session.kernel.memory.pages.totals().used
    run_to(session, "gone")
    assert session.kernel.memory.pages.totals().used == before - PAGES
    assert finish(session) == 0


def test_they_go_when_memory_is_short() -> None:
    session = ran(1)
    k = session.kernel
    totals = k.memory.pages.totals()
    assert cache(session).pages
    taken = [k.memory.pages.alloc_pages(k) for _ in range(totals.managed - totals.used + PAGES)]
    assert not cache(session).pages
    with pytest.raises(Errno) as raised:
        k.memory.pages.alloc_pages(k)
    assert raised.value.number == ENOMEM
    for pfn in taken:
        k.memory.pages.put_page(k, pfn)
    check_all(k)
    assert finish(session) == 0


def test_they_go_with_their_file_system() -> None:
    session = ran(1)
    k = session.kernel
    forget_programs(k, path_lookup(k, "/other").found().dentry.inode.i_sb)
    assert not cache(session).pages
    check_all(k)
    assert finish(session) == 0


#: A copy of /other on a file system of its own is run; `busy` before it goes, `gone` behind.
MOUNTED = """
.include "process.inc"
    invoke2 39, $place, $0755                   # mkdir
    invoke3 21, $none, $place, $type            # mount
    testl %eax, %eax
    js bad
    invoke2 5, $file, $0                        # open
    movl %eax, from
    invoke3 5, $copy, $0101, $0755
    movl %eax, into
    invoke4 187, %eax, from, $0, $0x100000      # sendfile
    testl %eax, %eax
    js bad
    invoke1 6, into                             # close
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    cmpl $0, status
    jne bad
busy:
    invoke2 52, $place, $0                      # umount2
    testl %eax, %eax
    js bad
gone:
    sys_exit $0
bad:
    sys_exit $1
child:
    invoke3 11, $copy, $0, $0                   # execve
    sys_exit $2
.section .rodata
place: .asciz "/own"
none: .asciz "none"
type: .asciz "tmpfs"
file: .asciz "/other"
copy: .asciz "/own/other"
.bss
status: .long 0
from: .long 0
into: .long 0
"""


def test_umount_lets_them_go() -> None:
    session = boot(MOUNTED, files={"/other": OTHER}, profile=PROFILES["6.x"])
    k = session.kernel
    run_to(session, "busy")
    before, kept = k.memory.pages.totals().used, len(k.memory.kept)
    assert kept
    run_to(session, "gone")
    assert len(k.memory.kept) == kept - 1
    assert k.memory.pages.totals().used <= before - PAGES
    assert finish(session) == 0


#: Maps /other as a library is mapped, touches a page, and gives it up.
MAPPED = """
.include "process.inc"
    invoke2 5, $file, $0        # open
    movl %eax, %edi
    xorl %ebx, %ebx
    movl $0x2000, %ecx
    movl $PROT, %edx
    movl $2, %esi               # MAP_PRIVATE
    xorl %ebp, %ebp
    movl $192, %eax             # mmap2
    int $0x80
    movl (%eax), %ecx
    invoke2 91, %eax, $0x2000   # munmap
done:
    sys_exit $0
.section .rodata
file: .asciz "/other"
"""


@pytest.mark.parametrize(("prot", "pages"), [(5, 1), (1, 0)], ids=["code", "data"])
def test_a_library_is_kept_as_well(prot: int, pages: int) -> None:
    source = MAPPED.replace("PROT", f"{prot}", 1)
    session = boot(source, files={"/other": OTHER}, profile=PROFILES["6.x"])
    run_to(session, "done")
    assert len(cache(session).pages) == pages
    assert finish(session) == 0


def test_older_kernels_copy_programs_and_keep_none() -> None:
    session = ran(1, "2.6.39")
    assert not session.kernel.memory.kept
    assert not cache(session).pages
