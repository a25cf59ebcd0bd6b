"""Error code and address of a data fault, for every way in which an instruction uses its operand.

The same program runs here and on this machine's own Linux; its handler writes down what the CPU said. What
the W bit must be stands beside each form: an operand that is written, read first or not, faults as a write
(Intel SDM vol. 3, 4.7).
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from native_linux import build, run, skip_unless_linux32

from toykernel.harness.session import Session
from toykernel.state import Config

READ = """movl (%edi), %eax|cmpl $1, (%edi)|cmpl %eax, (%edi)|cmpl (%edi), %eax
testl %eax, (%edi)|testl $1, (%edi)|addl (%edi), %eax|btl $1, (%edi)|btl %ecx, (%edi)|mull (%edi)
imull (%edi), %eax|pushl (%edi)|jmp *(%edi)|call *(%edi)|movzbl (%edi), %eax|lodsl
scasl|cmpsl|bsfl (%edi), %eax|fldl (%edi)
fldcw (%edi)|bound %eax, (%edi)|verr (%edi)|cmovzl (%edi), %eax|lesl (%edi), %eax"""
WRITE = """movl %eax, (%edi)|movl $1, (%edi)|movb $1, (%edi)|movw $1, (%edi)|sete (%edi)|stosl|stosb
fnstcw (%edi)|fstpl (%edi)|fnsave (%edi)|movw %ds, (%edi)"""
UPDATE = "|".join(
    (
        *(f"{op}{s} {arg}, (%edi)"
          for op in ("add", "or", "adc", "sbb", "and", "sub", "xor")
          for s, arg in (("b", "$1"), ("b", "%al"), ("w", "$258"), ("w", "%ax"),
                         ("l", "$1"), ("l", "%eax"))),
        *(f"{op}{s} (%edi)" for op in ("inc", "dec", "neg", "not") for s in "bwl"),
        *(f"{op}{s} {by}(%edi)"
          for op in ("rol", "ror", "rcl", "rcr", "shl", "shr", "sar")
          for s in "bl" for by in ("", "$3, ", "%cl, ")),
        *(f"{op} {arg}, (%edi)" for op in ("btsl", "btrl", "btcl") for arg in ("$1", "%ecx")),
        "shldl $3, %eax, (%edi)", "shrdl %cl, %eax, (%edi)", "xchgl %eax, (%edi)", "xchgb %al, (%edi)",
        "xaddl %eax, (%edi)", "xaddb %al, (%edi)", "cmpxchgl %ecx, (%edi)", "cmpxchgb %cl, (%edi)",
        "cmpxchg8b (%edi)", "lock incl (%edi)", "lock orl $0, (%edi)", "lock btsl $1, (%edi)",
        "lock cmpxchgl %ecx, (%edi)", "lock xaddl %eax, (%edi)", "lock negl (%edi)", "lock cmpxchg8b (%edi)",
    )
)  # fmt: skip


def forms(text: str) -> list[str]:
    return [form for line in text.splitlines() for form in line.split("|")]


#: (instruction, whether it faults as a write)
FORMS = [(f, False) for f in forms(READ)] + [(f, True) for f in forms(WRITE) + forms(UPDATE)]
#: Where %edi and %esi point: nothing mapped, a page that may only be read and has been, the kernel's half,
#: and two bytes in front of a page where nothing is mapped.
TARGETS = {
    "absent": "0x10000000",
    "read-only": "constant",
    "kernel": "0xc0000000",
    "border": "edge",
}
MANY = 600

HEAD = f"""
.globl _start
.data
resume: .long 0
found: .skip {8 * MANY}
.text
handler: movl 12(%esp), %eax
        movl count, %ecx
        movl 72(%eax), %edx             # err
        movl %edx, found(,%ecx,8)
        movl 104(%eax), %edx            # cr2
        movl %edx, found + 4(,%ecx,8)
        incl count
        movl resume, %edx
        movl %edx, 76(%eax)             # eip
        movl stack, %edx
        movl %edx, 48(%eax)             # esp
        ret
restorer: movl $173, %eax
        int $0x80
.data
count: .long 0
stack: .long 0
action: .long handler, 0x44000004, restorer, 0, 0
.text
_start: movl $174, %eax
        movl $11, %ebx
        movl $action, %ecx
        xorl %edx, %edx
        movl $8, %esi
        int $0x80
        movl $192, %eax                 # a page at 0x20000000, nothing behind it
        movl $0x20000000, %ebx
        movl $4096, %ecx
        movl $3, %edx
        movl $0x32, %esi
        movl $-1, %edi
        xorl %ebp, %ebp
        int $0x80
        movl constant, %eax
        movl %esp, stack
"""
TAIL = f"""
        movl $4, %eax
        movl $1, %ebx
        movl $found, %ecx
        movl ${8 * MANY}, %edx
        int $0x80
        movl $1, %eax
        xorl %ebx, %ebx
        int $0x80
.section .rodata
.balign 4096
constant: .skip 4096
.set edge, 0x20000ffe
"""


def tried(target: str) -> list[tuple[str, bool]]:
    """What faults there: of a page that may be read, only what writes."""
    return [(form, write) for form, write in FORMS if write or target != "read-only"]


def program(target: str) -> str:
    text = [HEAD]
    for number, (form, _) in enumerate(tried(target)):
        text += [
            f"movl $next{number}, resume",
            f"movl ${TARGETS[target]}, %edi",
            "movl %edi, %esi\nmovl $1, %eax\nmovl $1, %ecx\nxorl %edx, %edx\ncmpl %eax, %eax",
            form,
            "incl count",  # it has not faulted
            f"next{number}: movl stack, %esp",
        ]
    return "\n".join([*text, TAIL])


def records(output: bytes) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("<2I", output))


@pytest.fixture(params=["absent", "read-only", "kernel", "border"])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def of_this_machine(path: Path, **config: bool) -> list[tuple[int, int]]:
    session = Session(path, config=Config(timing="off", **config))
    session.run(40_000_000)
    return records(session.stdout)


@pytest.mark.parametrize("native", [True, False], ids=["native hooks", "python hooks"])
def test_an_operand_that_is_written_faults_as_a_write(
    tmp_path: Path, target: str, native: bool
) -> None:
    path = tmp_path / "faults.S"
    path.write_text(program(target))
    found = of_this_machine(path, native=native)
    wrong = []
    present = target in ("read-only", "kernel")
    for (form, write), (error, _) in zip(tried(target), found, strict=False):
        expected = present | write << 1 | 4
        if error != expected and not (target == "border" and error == 0):  # too short to cross it
            wrong.append((form, error))
    assert not wrong
    assert sum(error != 0 for error, _ in found) > 40


def test_linux_says_the_same(tmp_path: Path, target: str) -> None:
    skip_unless_linux32(tmp_path)
    path = tmp_path / "faults.S"
    path.write_text(program(target))
    out, _, status, _ = run(build(path, tmp_path))
    assert status == 0
    here, there = of_this_machine(path), records(out)
    assert len(here) == len(there) == MANY
    wrong = [
        (form, ours, theirs)
        for (form, _), ours, theirs in zip(tried(target), here, there, strict=False)
        if (ours[0] & 2, ours[1]) != (theirs[0] & 2, theirs[1])
    ]
    assert not wrong
