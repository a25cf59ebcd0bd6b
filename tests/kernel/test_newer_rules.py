"""What newer kernels answer otherwise: every rule of docs/kernel-versions.md, in every profile that has it so
and in every one that has not (table N). The 6.x side is also compared with Linux itself:
tests/programs/glibc/newer_rules.c.
"""

import pytest
from guest import boot, finish, run, run_to

from toykernel.errno import ECHILD, EINVAL, ENOENT, ENOEXEC, ESRCH
from toykernel.harness.abi_note import abi_tag, profile_for
from toykernel.profiles import PROFILES

OLD, NEW = ("2.4", "2.6.39", "3.x", "4.x"), ("6.x",)
by_profile = pytest.mark.parametrize("kernel", PROFILES)


@by_profile
def test_the_small_answers(kernel: str) -> None:
    """wait4 of INT_MIN (4.14), SA_ flags that are kept (5.11), CAP_LAST_CAP, RLIMIT_MEMLOCK (5.16)."""
    newer = kernel in NEW
    last_cap = {"2.4": 28, "2.6.39": 34, "3.x": 37, "4.x": 37, "6.x": 40}[kernel]
    source = f"""
    movl $7, %eax               # waitpid
    movl $0x80000000, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    cmpl ${-ESRCH if kernel in ("4.x", "6.x") else -ECHILD}, %eax
    jne failed
    movl $174, %eax             # rt_sigaction
    movl $12, %ebx
    movl $action, %ecx
    xorl %edx, %edx
    movl $8, %esi
    int $0x80
    movl $174, %eax
    xorl %ecx, %ecx
    movl $old, %edx
    int $0x80
    cmpl ${0xDC000807 if newer else 0xFFFFFFFF}, old + 4
    jne failed
    movl $172, %eax             # prctl(PR_CAPBSET_READ)
    movl $23, %ebx
    movl ${last_cap}, %ecx
    int $0x80
    cmpl $1, %eax
    jne failed
    movl $172, %eax
    movl ${last_cap + 1}, %ecx
    int $0x80
    cmpl $-22, %eax
    jne failed
    movl $191, %eax             # ugetrlimit
    movl $8, %ebx               # RLIMIT_MEMLOCK
    movl $old, %ecx
    int $0x80
    cmpl ${(8192 if newer else 64) << 10}, old
    jne failed
    sys_exit $0
failed:
    sys_exit $1
.data
action: .long 0, 0xffffffff, 0, 0, 0
old: .long 0, 0, 0, 0, 0
"""
    run(source, profile=PROFILES[kernel])


@by_profile
def test_who_is_killed_clears_its_number(kernel: str) -> None:  # L4; 4.8
    cleared = kernel in ("4.x", "6.x")
    source = f"""
    movl $120, %eax             # clone(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD)
    movl $0x00200111, %ebx
    movl $stack + 4096, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    movl $tid, %edi
    int $0x80
    testl %eax, %eax
    jz child
    movl %eax, %ebx
    movl $37, %eax              # kill
    movl $9, %ecx
    int $0x80
    sys_waitpid %ebx, $0, $0
    cmpl ${0 if cleared else 4711}, tid
    jne failed
    sys_exit $0
failed:
    sys_exit $1
child:
    movl $29, %eax              # pause
    int $0x80
.data
tid: .long 4711
.bss
stack: .skip 4096
"""
    run(source, profile=PROFILES[kernel])


@by_profile
def test_a_mapping_beside_pages_that_fork_has_copied(kernel: str) -> None:  # 3.0
    source = """
    movl $192, %eax             # mmap2: two pages
    movl $0x50000000, %ebx
    movl $0x2000, %ecx
    movl $3, %edx
    movl $0x32, %esi            # MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
    movl $-1, %edi
    xorl %ebp, %ebp
    int $0x80
    movl $1, (%eax)
    movl $2, %eax
    int $0x80
    testl %eax, %eax
    jnz parent
    movl $192, %eax
    movl $0x50002000, %ebx
    int $0x80
mapped:
    sys_exit $0
parent:
    movl %eax, %ebx
    sys_waitpid %ebx, $0, $0
    sys_exit $0
"""
    session = boot(source, profile=PROFILES[kernel])
    mm = run_to(session, "mapped").mm
    assert mm is not None
    areas = len(mm.overlapping(0x50000000, 0x50004000))
    assert areas == (1 if kernel in ("2.4", "2.6.39") else 2)
    assert finish(session) == 0


@by_profile
def test_no_arguments(kernel: str) -> None:  # 5.18
    source = f"""
    cmpl $0, (%esp)
    je none
    movl 4(%esp), %eax
    cmpb $0, (%eax)
    je empty
    movl $11, %eax
    movl $self, %ebx
    movl $nothing, %ecx
    xorl %edx, %edx
    int $0x80
    sys_exit $3
none:
    sys_exit ${1 if kernel in NEW else 0}
empty:
    sys_exit ${0 if kernel in NEW else 1}
.data
self: .asciz "/guest"
nothing: .long 0
"""
    run(source, profile=PROFILES[kernel])


@by_profile
def test_how_much_of_a_script_is_read(kernel: str) -> None:  # 5.0, 5.1
    newer = kernel in NEW
    files = {
        "/blanks": b"#!" + b" " * 130 + b"/no/such\n",  # the name is behind what old kernels read
        "/cut": b"#!/" + b"x" * 300 + b"\n",
        "/argument": b"#!/no/such " + b"x" * 300 + b"\n",
    }
    blanks, cut = (-ENOENT, -ENOEXEC) if newer else (-ENOEXEC, -ENOENT)
    calls = "".join(
        f"""
    movl $11, %eax
    movl ${name}, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    int $0x80
    cmpl ${errno}, %eax
    jne failed
"""
        for name, errno in (("blanks", blanks), ("cut", cut), ("argument", -ENOENT))
    )
    source = f"""{calls}
    sys_exit $0
failed:
    sys_exit $1
.data
blanks: .asciz "/blanks"
cut: .asciz "/cut"
argument: .asciz "/argument"
"""
    run(source, profile=PROFILES[kernel], files=files)


def elf(*version: int, name: bytes = b"GNU\0", kind: int = 1, system: int = 0) -> bytes:
    """An i386 file with one PT_NOTE: an empty build id, then the note that is asked for."""
    words = b"".join(number.to_bytes(4, "little") for number in (system, *version))
    note = (4).to_bytes(4, "little") + len(words).to_bytes(4, "little")
    note += kind.to_bytes(4, "little") + name + words
    notes = bytes.fromhex("04000000 00000000 03000000 474e5500") + note
    header = bytearray(52)
    header[:7] = b"\x7fELF\x01\x01\x01"
    header[28:32] = (52).to_bytes(4, "little")
    header[42:46] = (32).to_bytes(2, "little") + (1).to_bytes(2, "little")
    segment = [4, 84, 0, 0, len(notes), len(notes), 4, 4]
    return bytes(header) + b"".join(n.to_bytes(4, "little") for n in segment) + notes


@pytest.mark.parametrize(
    ("data", "tag", "kernel"),
    [
        (elf(3, 2, 0), (3, 2, 0), "6.x"),
        (elf(2, 6, 39), (2, 6, 39), "2.6.39"),
        (elf(2, 6, 40), (2, 6, 40), "6.x"),
        (elf(2, 6, 32), (2, 6, 32), "2.6.39"),
        (elf(3, 2, 0, system=1), None, "2.6.39"),  # for the Hurd
        (elf(3, 2, 0, kind=5), None, "2.6.39"),
        (elf(3, 2, 0, name=b"XYZ\0"), None, "2.6.39"),
        (elf(3, 2, 0)[:-4], None, "2.6.39"),
        (b"\x7fELF", None, "2.6.39"),
    ],
)
def test_which_kernel_a_file_asks_for(
    data: bytes, tag: tuple[int, ...] | None, kernel: str
) -> None:
    assert abi_tag(data) == tag
    assert profile_for(data).name == kernel


@by_profile
def test_groups_that_are_none(kernel: str) -> None:  # 3.5: -1 is the id of nobody
    refused = -EINVAL if kernel not in ("2.4", "2.6.39") else 0
    run(
        f"""
    .irp call, 206, 81          # setgroups32, setgroups: -1 among them
    movl $\\call, %eax
    movl $2, %ebx
    movl $list, %ecx
    int $0x80
    cmpl ${refused}, %eax
    jne failed
    .endr
    xorl %ebx, %ebx
    jmp 1f
failed: movl $1, %ebx
1:  movl $1, %eax
    int $0x80
.data
.balign 4
list: .long -1, -1
""",
        profile=PROFILES[kernel],
    )
