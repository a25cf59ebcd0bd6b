"""Which exception odd and forbidden instructions make, with error code, CR2 and EIP: here and on this
machine's own Linux.

The expected values are an i386's. Where a 64-bit Linux has others, they are told apart in `as_there`: a
page fault of a fetch has bit 4 set with NX (SDM vol. 3, 4.7), and an i386's Linux says "protection" of every
address of the kernel's.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from native_linux import build, run, skip_unless_linux32

from toykernel.harness.session import Session
from toykernel.state import Config

UD, SS, GP, PF = 6, 12, 13, 14
HERE = -1  # CR2 is not looked at: no page fault
NONE = (0, 0, HERE)

#: (vector, error code, CR2) of each; NONE: it runs.
CASES: dict[str, tuple[int, int, int]] = {
    # jumps to where nothing is
    "movl $0x10000000, %eax; jmp *%eax": (PF, 4, 0x10000000),
    "call 0x10000000": (PF, 4, 0x10000000),
    "pushl $0x10000004; ret": (PF, 4, 0x10000004),
    "xorl %eax, %eax; jmp *%eax": (PF, 4, 0),
    "movl $0xc0000000, %eax; jmp *%eax": (PF, 5, 0xC0000000),
    "jmp 0xfffffff0": (PF, 5, 0xFFFFFFF0),
    "pushl $0xfffffff0; ret": (PF, 5, 0xFFFFFFF0),
    "movl $0xffffffff, %eax; jmp *%eax": (PF, 5, 0xFFFFFFFF),
    "movw $0x9090, 0x20000ffe; movl $0x20000ffe, %eax; jmp *%eax": (PF, 4, 0x20001000),
    "movb $0xb8, 0x20000ffe; movl $0x20000ffe, %eax; jmp *%eax": (PF, 4, 0x20001000),
    # operands over the end of 4 GiB
    "movl $-1, %edi; movl (%edi), %eax": (GP, 0, HERE),
    "movl $-2, %edi; movl %eax, (%edi)": (GP, 0, HERE),
    "movl $-2, %edi; movl %eax, (%edi) # again": (GP, 0, HERE),
    "movl $-1, %edi; incl (%edi)": (GP, 0, HERE),
    "movl $-3, %ebp; incl (%ebp)": (SS, 0, HERE),
    "movl $2, %esp; pushl %eax": (SS, 0, HERE),
    "movl $2, %esp; call _start": (SS, 0, HERE),
    "movl $-2, %esp; ret": (SS, 0, HERE),
    "movl $-4, %edi; incl (%edi)": (PF, 7, 0xFFFFFFFC),
    "movl $-1, %edi; movb (%edi), %al": (PF, 5, 0xFFFFFFFF),
    # control registers, counters
    "movl %cr0, %eax": (GP, 0, HERE),
    "movl %eax, %cr3": (GP, 0, HERE),
    ".byte 0x0f, 0x20, 0xc8": (UD, 0, HERE),
    ".byte 0x0f, 0x22, 0xc8": (UD, 0, HERE),
    ".byte 0x0f, 0x20, 0xe8": (UD, 0, HERE),
    ".byte 0x0f, 0x20, 0xf0": (UD, 0, HERE),
    ".byte 0x0f, 0x22, 0xf8": (UD, 0, HERE),
    "xorl %ecx, %ecx; rdpmc": (GP, 0, HERE),
    "rdmsr": (GP, 0, HERE),
    "movl %db0, %eax": (GP, 0, HERE),
    "hlt": (GP, 0, HERE),
    "clts": (GP, 0, HERE),
    # second opcodes
    ".byte 0xf6, 0xcb, 0x0f": NONE,
    ".byte 0xf7, 0xcb, 0x0f, 0, 0, 0": NONE,
    ".byte 0x66, 0xf7, 0x0d, 0, 0, 0, 0x20, 5, 0": NONE,
    ".byte 0xf6, 0x0d, 0, 0, 0, 0x10, 5": (PF, 4, 0x10000000),
    ".byte 0xf7, 0x0d, 0, 0, 0, 0xc0, 5, 0, 0, 0": (PF, 5, 0xC0000000),
    ".byte 0xf0, 0xf6, 0x0d, 0, 0, 0, 0x20, 5": (UD, 0, HERE),
    ".byte 0x82, 0xc0, 5": NONE,
    ".byte 0x82, 0xf8, 5": NONE,
    ".byte 0x82, 0x0d, 0, 0, 0, 0x10, 5": (PF, 6, 0x10000000),
    ".byte 0xf0, 0x82, 0x05, 0, 0, 0, 0x20, 5": NONE,
    ".byte 0xf0, 0x82, 0xc0, 5": (UD, 0, HERE),
    ".byte 0x8f, 0xc8": (UD, 0, HERE),
    ".byte 0xfe, 0xd0": (UD, 0, HERE),
    ".byte 0xff, 0xf8": (UD, 0, HERE),
    ".byte 0xc6, 0xc8, 0": (UD, 0, HERE),
    ".byte 0x0f, 0xba, 0xc0, 0": (UD, 0, HERE),
    ".byte 0x0f, 0xc7, 0xc8": (UD, 0, HERE),
    "lock negl 0x20000000": NONE,
    "lock negl 0x10000000": (PF, 6, 0x10000000),
    "lock negb _start": (PF, 7, HERE),
}

HEAD = """
.globl _start
handler: movl 12(%esp), %eax
        movl next, %edx
        movl 68(%eax), %ecx             # trapno
        movl %ecx, (%edx)
        movl 72(%eax), %ecx             # err
        movl %ecx, 4(%edx)
        movl 104(%eax), %ecx            # cr2
        movl %ecx, 8(%edx)
        movl 76(%eax), %ecx             # eip
        movl %ecx, 12(%edx)
        movl resume, %edx
        movl %edx, 76(%eax)
        movl stack, %edx
        movl %edx, 48(%eax)             # esp
        ret
restorer: movl $173, %eax
        int $0x80
.data
next:   .long found
resume: .long 0
stack:  .long 0
action: .long handler, 0x4c000004, restorer, 0, 0
other:  .long room, 0, 8192
.bss
room:   .skip 8192
found:  .skip 4096
.text
_start: movl $186, %eax                 # sigaltstack
        movl $other, %ebx
        xorl %ecx, %ecx
        int $0x80
        .irp signal, 4, 7, 11
        movl $174, %eax
        movl $\\signal, %ebx
        movl $action, %ecx
        xorl %edx, %edx
        movl $8, %esi
        int $0x80
        .endr
        movl %esp, stack
        movl $192, %eax                 # a page at 0x20000000, nothing behind it
        movl $0x20000000, %ebx
        movl $4096, %ecx
        movl $7, %edx
        movl $0x32, %esi
        movl $-1, %edi
        xorl %ebp, %ebp
        int $0x80
"""
TAIL = """
        movl $4, %eax
        movl $1, %ebx
        movl $found, %ecx
        movl $4096, %edx
        int $0x80
        movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
"""


def program() -> str:
    text = [HEAD]
    for number, case in enumerate(CASES):
        lines = case.split("#")[0].split("; ")
        text += [f"movl $after{number}, resume", *lines[:-1], f"case{number}: {lines[-1]}"]
        text += [f"after{number}: movl stack, %esp", "addl $16, next"]
    table = [f".long case{number}" for number in range(len(CASES))]
    return "\n".join([*text, TAIL, ".section .rodata", '.ascii "cases: "', *table, ""])


def faults(output: bytes, image: bytes) -> list[tuple[int, ...]]:
    """(vector, error code, CR2, EIP less the instruction's own address) of each case."""
    at = image.index(b"cases: ") + 7
    starts = struct.unpack_from(f"<{len(CASES)}I", image, at)
    rows = list(struct.iter_unpack("<4I", output))[: len(CASES)]
    return [
        (vector, error, cr2 if vector == PF else HERE, (eip - start if vector else 0))
        for start, (vector, error, cr2, eip) in zip(starts, rows, strict=True)
    ]


def is_a_jump(case: str) -> bool:
    return case.split("; ")[-1].startswith(("jmp", "call 0", "ret")) and "$-2" not in case


@pytest.mark.parametrize("native", [True, False], ids=["native hooks", "python hooks"])
@pytest.mark.parametrize("timing", ["off", "i486"])
def test_the_exception_of_each(tmp_path: Path, native: bool, timing: str) -> None:
    path = tmp_path / "traps.S"
    path.write_text(program())
    session = Session(path, config=Config(native=native, timing=timing))
    assert session.run(40_000_000).kind == "finished"
    found = faults(session.stdout, session.elf)
    for (case, expected), (vector, error, cr2, eip) in zip(CASES.items(), found, strict=True):
        assert (vector, error) == expected[:2], case
        assert expected[2] in (HERE, cr2), case
        assert eip == 0 or is_a_jump(case), case


def test_linux_says_the_same(tmp_path: Path) -> None:
    skip_unless_linux32(tmp_path)
    path = tmp_path / "traps.S"
    path.write_text(program())
    image = build(path, tmp_path)
    out, _, status, _ = run(image)
    assert status == 0
    for (case, expected), there in zip(CASES.items(), faults(out, image.read_bytes()), strict=True):
        assert there[:2] == as_there(case, expected), case
        assert expected[2] in (HERE, there[2]), case


def as_there(case: str, expected: tuple[int, int, int]) -> tuple[int, int]:
    """Vector and error code on a 64-bit Linux, for whose programs the kernel's half is just not there."""
    vector, error, cr2 = expected
    if vector == PF and cr2 >= 0xC0000000:
        error &= ~1
    if vector == PF and is_a_jump(case):
        error |= 0x10
    return vector, error
