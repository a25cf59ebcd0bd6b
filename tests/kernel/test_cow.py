"""Copy-on-write looked at in guest RAM: the entries, the frames and their counts. Fork-path K.

The rules are the document's; what an entry says is read by `emu.paging.walk`, which knows nothing of
the kernel.
"""

import pytest
from elf_image import Phdr, elf, exits
from guest import boot, finish, frame, label, look, run_to, status_of, table_bytes, task, word

from emu.paging import CR0_WP, PTE_D, PTE_P, PTE_RW
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.errno import ENOMEM, Errno
from toykernel.harness.session import Session
from toykernel.mm.mm_types import VM_DONTCOPY

KERNEL_HALF = PAGE_OFFSET >> 22

#: The parent has written `page`, read `blank` and left `far` alone; then it forks and waits.
FORK = """
    movl $1, page
    movl blank, %eax
forking:
    sys_fork
    testl %eax, %eax
    jz child
forked:
    movl %eax, %edi
    PARENT
    sys_waitpid %edi, $0, $0
waited:
    movl $3, page
written:
    sys_exit $0
child:
    CHILD
    sys_exit $0
    .section .rodata
constant: .long 42
    .data
    .balign 4096
page: .long 0, 0x600d
    .balign 4096
status: .long 0
    .bss
    .balign 4096
blank: .space 4096
far: .space 4096
"""
CHILD_WRITES = "child_before: movl $2, page\nchild_after: nop\n"


def session_of(parent: str = "", child: str = CHILD_WRITES, **config: bool) -> Session:
    """FORK with more to do, invariants checked at every trap."""
    return boot(FORK.replace("PARENT", parent).replace("CHILD", child), check=True, **config)


def test_tables_are_copied() -> None:  # K1
    session = session_of()
    k = session.kernel
    parent = run_to(session, "forking")
    before = table_bytes(k, parent)
    run_to(session, "forked")
    child = task(session, 3)
    assert parent.mm is not None
    assert child.mm is not None
    ram = k.machine.ram
    directories = [ram.words(t.mm.pgd, 1024) for t in (parent, child) if t.mm]
    for index, (mine, its) in enumerate(zip(*directories, strict=True)):
        if index >= KERNEL_HALF:
            assert mine & ~0x60 == its & ~0x60  # K2: the kernel's half is the same
        else:
            assert bool(mine) == bool(its)  # a table only where the parent has one
            assert not mine or mine >> 12 != its >> 12
    # The only bits of the parent that fork has changed are write bits.
    after = table_bytes(k, parent)
    changed = {a ^ b for a, b in zip(before, after, strict=True)} - {0}
    assert changed == {PTE_RW}


def test_private_pages_are_shared_read_only() -> None:  # K2, K9
    session = session_of()
    k = session.kernel
    parent = run_to(session, "forking")
    page, constant = label(session, "page"), label(session, "constant")
    blank, far = label(session, "blank"), label(session, "far")
    assert look(k, parent, page).writable
    count = k.memory.pages.page_count(frame(k, parent, page))
    run_to(session, "forked")
    child = task(session, 3)
    for address in (page, constant, blank):
        mine, its = look(k, parent, address), look(k, child, address)
        if its.physical is not None:  # what can be read in again need not be copied: K3
            assert mine.physical == its.physical
            assert not its.writable
        assert not mine.writable
    assert look(k, child, page).physical == look(k, parent, page).physical
    assert k.memory.pages.page_count(frame(k, parent, page)) == count + 1 == 2
    assert frame(k, parent, blank) == k.memory.zero_pfn
    assert look(k, parent, far).physical is None  # K3
    assert look(k, child, far).physical is None


def test_an_area_that_is_not_to_be_copied() -> None:  # K3
    session = session_of(child="probe: movl page, %eax\n")
    k = session.kernel
    parent = run_to(session, "forking")
    page = label(session, "page")
    assert parent.mm is not None
    area = parent.mm.find_exact(page)
    assert area is not None
    area.vm_flags |= VM_DONTCOPY
    run_to(session, "forked")
    child = task(session, 3)
    assert child.mm is not None
    assert child.mm.find_exact(page) is None
    assert look(k, child, page).physical is None
    assert look(k, parent, page).writable  # nothing is shared, so nothing is protected


def test_the_parents_next_write_faults() -> None:  # K4
    """The parent has the page in its TLB, writable, when it forks."""
    session = session_of(parent="movl $9, page\nparent_after: nop\n")
    k = session.kernel
    parent = run_to(session, "forked")
    page = label(session, "page")
    shared = frame(k, parent, page)
    run_to(session, "parent_after")
    child = task(session, 3)
    assert frame(k, parent, page) != shared
    assert frame(k, child, page) == shared
    assert (word(k, parent, page), word(k, child, page)) == (9, 1)
    assert parent.stats.faults["cow_copied"] == 1


def test_the_writer_gets_a_copy() -> None:  # K5
    session = session_of()
    k = session.kernel
    child = run_to(session, "child_before")
    parent = task(session, 2)
    page = label(session, "page")
    shared = frame(k, child, page)
    others = look(k, parent, page).pte
    codes: list[tuple[int, int]] = []
    k.host.trace.page_fault.append(lambda t, address, error, ip: codes.append((address, error)))
    run_to(session, "child_after")
    assert codes == [(page, 7)]
    mine = look(k, child, page)
    assert mine.physical is not None
    assert mine.physical >> 12 != shared
    assert mine.pte is not None
    assert mine.pte & (PTE_P | PTE_RW | PTE_D) == PTE_P | PTE_RW | PTE_D
    assert look(k, parent, page).pte == others  # nobody else's entry changes
    assert k.memory.pages.page_count(shared) == 1
    assert k.memory.pages.page_count(mine.physical >> 12) == 1
    assert (word(k, parent, page), word(k, child, page)) == (1, 2)
    assert word(k, child, page + 4) == word(k, parent, page + 4) == 0x600D  # the rest came along
    assert child.stats.faults["cow_copied"] == 1
    assert finish(session) == 0


def test_the_last_user_gets_the_page_back() -> None:  # K6
    session = session_of()
    k = session.kernel
    parent = run_to(session, "waited")
    page = label(session, "page")
    before = frame(k, parent, page)
    assert not look(k, parent, page).writable
    assert k.memory.pages.page_count(before) == 1
    used = k.memory.pages.totals().used
    run_to(session, "written")
    assert frame(k, parent, page) == before
    assert look(k, parent, page).writable
    assert k.memory.pages.totals().used == used
    assert (parent.stats.faults["cow_reused"], parent.stats.faults["cow_copied"]) == (1, 0)
    assert finish(session) == 0


@pytest.mark.parametrize(
    ("access", "si_code", "address"),
    [
        ("movl $1, constant", 2, "constant"),
        ("movl $1, _start", 2, "_start"),
        ("movl $1, 0", 1, 0),
        ("movl 0xfff, %eax", 1, 0xFFF),
        ("movl $1, 0xc0000000", 1, 0xC0000000),
        ("movl 0xc0001000, %eax", 1, 0xC0001000),
        ("movb 0xffffffff, %al", 1, 0xFFFFFFFF),
        ("movl 0x40000000, %eax", 1, 0x40000000),
        ("jmp 0x40000000", 1, 0x40000000),
        ("jmp 0xc0001000", 1, 0xC0001000),
    ],
)
def test_what_the_area_forbids(access: str, si_code: int, address: int | str) -> None:  # K7
    session = session_of(child="probe: " + access + "\n")
    k = session.kernel
    seen: list[tuple[int, int, int]] = []
    k.host.trace.signal_generate.append(
        lambda t, sig, info: (
            seen.append((sig, info["si_code"], info.get("si_addr", -1))) if sig == 11 else None
        )
    )
    assert finish(session) == 0
    where = label(session, address) if isinstance(address, str) else address
    assert seen == [(11, si_code, where)]
    assert session.stats.faults["protection"] == 1


def test_the_kernels_own_store_breaks_sharing() -> None:  # K8
    """waitpid stores into a page that another child still shares."""
    text = """
    movl $1, status
    sys_fork
    testl %eax, %eax
    jz sleeper
    movl %eax, %esi
    sys_fork
    testl %eax, %eax
    jz leaver
    movl %eax, %edi
before:
    sys_waitpid %edi, $status, $0
after:
    sys_waitpid %esi, $0, $0
    sys_exit $0
leaver:
    sys_exit $7
sleeper:
    movl $500, %ebp
1:  sys_sched_yield
    decl %ebp
    jnz 1b
    movl status, %ebx
    decl %ebx
    movl $1, %eax
    int $0x80
    .data
    .balign 4096
status: .long 0
"""
    session = boot(text, check=True)
    k = session.kernel
    run_to(session, "before")
    status = label(session, "status")
    parent, sleeper = task(session, 2), task(session, 3)
    shared = frame(k, parent, status)
    assert frame(k, sleeper, status) == shared
    assert k.machine.cpu.cr0 & CR0_WP
    run_to(session, "after")
    assert (word(k, parent, status), word(k, sleeper, status)) == (0x700, 1)
    assert frame(k, parent, status) != shared
    assert frame(k, sleeper, status) == shared
    written = look(k, parent, status).pte
    assert written is not None
    assert written & PTE_D
    assert parent.stats.faults["cow_copied"] == 1
    assert finish(session) == 0


def test_the_zero_page() -> None:  # K9
    session = boot(
        "first: movl a, %eax\n orl b, %eax\nread: movl $5, a\nwrote: movl a, %ebx\n subl $5, %ebx\n"
        "orl b, %ebx\n movl $1, %eax\n int $0x80\n"
        ".bss\n.balign 4096\na: .space 4096\nb: .space 4096\n",
        check=True,
    )
    k = session.kernel
    t = run_to(session, "first")
    a, b = label(session, "a"), label(session, "b")
    assert look(k, t, a).physical is None
    count = k.memory.pages.page_count(k.memory.zero_pfn)
    run_to(session, "read")
    assert frame(k, t, a) == frame(k, t, b) == k.memory.zero_pfn
    assert not look(k, t, a).writable
    assert k.memory.pages.page_count(k.memory.zero_pfn) == count + 2
    run_to(session, "wrote")
    assert frame(k, t, a) != k.memory.zero_pfn
    assert look(k, t, a).writable
    assert frame(k, t, b) == k.memory.zero_pfn
    assert k.memory.pages.page_count(k.memory.zero_pfn) == count + 1
    assert k.machine.ram.read(k.memory.zero_pfn << 12, 4096) == bytes(4096)
    assert finish(session) == 0


def test_a_stack_grown_after_fork_is_private() -> None:  # K10
    grow = "subl $0x9000, %esp\n movl $7, (%esp)\ngrown: nop\n"
    session = session_of(child=grow)
    k = session.kernel
    child = run_to(session, "grown")
    sp = k.machine.cpu.esp
    assert word(k, child, sp) == 7
    assert look(k, task(session, 2), sp).physical is None
    parent_mm = task(session, 2).mm
    assert parent_mm is not None
    assert parent_mm.find_exact(sp) is None
    assert finish(session) == 0


@pytest.mark.parametrize(
    ("distance", "status"), [(0x1000, 0), (0x10000, 0), (0x10080, 0), (0x10084, 11), (0x20000, 11)]
)
def test_how_far_below_esp_the_stack_grows(distance: int, status: int) -> None:  # K10
    """Linux: 64 KiB and 32 words, for the instructions that store before they move ESP."""
    assert status_of(f"andl $-4096, %esp\n movl $1, -{distance}(%esp)\n sys_exit $0\n") == status


def test_the_heap_after_fork() -> None:  # K10
    heap = """
    sys_brk $0
    movl %eax, %ebp
    leal 0x3000(%eax), %ebx
    movl $45, %eax
    int $0x80
    movl $6, (%ebp)
heap: movl %ebp, %ebx           # and gone again
    movl $45, %eax
    int $0x80
gone: nop
"""
    session = session_of(child=heap)
    k = session.kernel
    child = run_to(session, "heap")
    at = k.machine.cpu.gpr("ebp")
    assert word(k, child, at) == 6
    assert look(k, task(session, 2), at).physical is None
    used = k.memory.pages.totals().used
    run_to(session, "gone")
    assert look(k, child, at).physical is None
    assert k.memory.pages.totals().used < used
    assert finish(session) == 0


def test_no_memory_for_a_copy() -> None:  # K11
    """The task that writes is killed; nobody else's memory changes, and its page comes back."""
    session = session_of()
    k = session.kernel
    child = run_to(session, "child_before")
    parent = task(session, 2)
    page = label(session, "page")
    entry = look(k, parent, page).pte

    def fail(what: str) -> None:
        if what == "cow copy" and k.current is child:
            raise Errno(ENOMEM)

    k.host.may_fail = fail
    run_to(session, "waited")
    assert child.exit_code == 9
    log = [text for _, text in k.log]
    assert log[0].startswith("Out of memory: ")
    assert log[-1] == "Out of memory: killed process 3 (guest)"
    held = {line.split()[-1]: line.replace("[", "").replace("]", "").split() for line in log[2:-2]}
    # Parent and child share all they have: neither would give a page back by itself.
    assert list(held) == ["init", "guest"]
    assert [line.split("]")[1].split()[3] for line in log if line.endswith(" guest")] == ["0", "0"]
    assert "kernel: 6 in stacks" in log[-2]
    assert look(k, parent, page).pte == entry
    assert word(k, parent, page) == 1
    assert finish(session) == 0


def test_copying_every_page_at_fork() -> None:  # K12
    lazy, eager = session_of(), session_of(eager_fork=True)
    for session in (lazy, eager):
        run_to(session, "forked")
    page = label(lazy, "page")
    assert frame(lazy.kernel, task(lazy, 2), page) == frame(lazy.kernel, task(lazy, 3), page)
    assert frame(eager.kernel, task(eager, 2), page) != frame(eager.kernel, task(eager, 3), page)
    assert look(eager.kernel, task(eager, 2), page).writable
    assert look(eager.kernel, task(eager, 3), page).writable
    assert word(eager.kernel, task(eager, 3), page) == 1
    for session in (lazy, eager):
        assert finish(session) == 0
    faults = [s.stats.faults["cow_copied"] for s in (lazy, eager)]
    assert faults == [1, 0]
    assert eager.kernel.memory.pages.totals().peak > lazy.kernel.memory.pages.totals().peak


REUSE = """
    movl $40, %ebp
again:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    movl %ebp, %eax
    andl $0xff, %eax
    shll $8, %eax
    cmpl %eax, status
    jne bad
    decl %ebp
    jnz again
    sys_exit $0
bad:
    sys_exit $1
child:                          # make an instruction and run it: mov $imm, %ebx; ret
    movb $0xbb, code
    movl %ebp, code + 1
    movb $0xc3, code + 5
    call code
    movl $1, %eax
    int $0x80
    .data
status: .long 0
    .balign 4096
code: .space 16
"""


def test_a_frame_that_held_code_is_used_again() -> None:
    """Each child's code lies in a frame that the one before has given back: no stale translation."""
    session = boot(REUSE)
    frames: set[int] = set()
    k = session.kernel
    k.host.trace.process_exit.append(lambda t: frames.add(frame(k, t, label(session, "code"))))
    assert finish(session) == 0
    assert len(frames) < 10


EXEC_BY_TURNS = """
    movl $20, %ebp
again:
    sys_fork
    testl %eax, %eax
    jz child
    sys_waitpid %eax, $status, $0
    movl %ebp, %eax
    andl $1, %eax
    addl $5, %eax
    shll $8, %eax
    cmpl %eax, status
    jne bad
    decl %ebp
    jnz again
    sys_exit $0
bad:
    sys_exit $1
child:
    movl $odd, %ebx
    testl $1, %ebp
    jnz 1f
    movl $even, %ebx
1:  xorl %ecx, %ecx
    xorl %edx, %edx
    movl $11, %eax              # execve
    int $0x80
    sys_exit $99
    .data
status: .long 0
odd: .asciz "/odd"
even: .asciz "/even"
"""


def test_two_programs_at_one_place_by_turns() -> None:
    """Their code is written by the kernel, into the frames that the other one has just left."""
    at = 0x08060000
    files = {
        name: elf(Phdr(at, exits(status)), entry=at) for name, status in (("/even", 5), ("/odd", 6))
    }
    session = boot(EXEC_BY_TURNS, files=files)
    k = session.kernel
    frames: list[int] = []
    k.host.trace.process_exit.append(
        lambda t: frames.append(frame(k, t, at)) if t.pid > 2 else None
    )
    assert finish(session) == 0
    assert len(set(frames)) < len(frames)


def test_code_that_changes_itself() -> None:
    assert (
        status_of(
            "movl $3, %ecx\nagain: movb %cl, place + 1\nplace: movl $0, %eax\n cmpl %eax, %ecx\n"
            "jne bad\n loop again\n sys_exit $0\nbad: sys_exit $1\n"
        )
        == 11
    )  # .text may not be written
    text = """
    movl $3, %ecx
    movl $0xb8, code            # mov $imm, %eax; ret
    movb $0xc3, code + 5
again:
    movb %cl, code + 1
    call code
    cmpl %eax, %ecx
    jne bad
    loop again
    sys_exit $0
bad:
    sys_exit $1
    .data
code: .space 8
"""
    assert status_of(text) == 0
