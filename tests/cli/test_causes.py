"""What a first program dies of is said in words, with the source line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import write

from toykernel.cli.group import call

EXIT = "end the program with the system call exit (eax = 1)"
#: name, source behind `_start:` (line 2), the end of the message
CAUSES = [
    ("past the end", " movl $1, %eax\n nop\n", f"it ran past the end of .text (program.S:4: nop): {EXIT}"),
    ("past a full page", " .fill 4095, 1, 0x90\n nop\n",
     f"it ran past the end of .text (program.S:4: nop): {EXIT}"),
    ("ret", " ret\n", f"a ret from _start, which nobody has called: {EXIT}"),
    ("unbalanced", " call f\nf: pushl $5\n ret\n", "a ret took that as its return address: "
     "pushes without a pop, or the stack was overwritten"),
    ("recursion", "f: call f\n", "stack overflow: the stack may have 64 KiB (--rlimit stack=SIZE); "
     "calls without end?"),
    ("decimal", " int $80\n",
     "int 0x50 is not open to programs: the system call is int $0x80, and $80 is 0x50"),
    ("interrupt", " int $0x21\n", "int 0x21 is not open to programs"),
    ("write to code", " movl $1, _start\n",
     "a write into .text; what changes belongs into .data or .bss"),
    ("write to constants", " movl $1, c\n.section .rodata\nc: .long 1\n",
     "a write into read-only data; what changes belongs into .data or .bss"),
    ("null call", " xorl %eax, %eax\n call *%eax\n",
     "a call through a null pointer (program.S:4: call *%eax)"),
    ("null call from memory", " call *table(,%eax,4)\n.data\ntable: .long 0\n",
     "a call through a null pointer (program.S:3: call *table(,%eax,4))"),
    ("wild call", " movl $0x70000000, %eax\n call *%eax\n",
     "a call through 0x70000000, where no code is (program.S:4: call *%eax)"),
    ("null jump", " xorl %eax, %eax\n jmp *%eax\n",
     "a jump through a null pointer, or a ret that took 0 as its return address"),
    ("wild jump", " movl $0x70000000, %eax\n jmp *%eax\n",
     "a jump through 0x70000000, where no code is"),
    ("data", " movl $1, %eax\n jmp text\n.data\ntext: .long 0\n",
     f"it ran into data, at text: {EXIT}, or jump over it"),
    ("number", " movl 1, %eax\n", "a number without `$' is an address: $1 is the number"),
    ("destination", "l: addl %eax, 0x10\n", "a number without `$' is an address: $0x10 is the number"),
    ("privileged", "l: cli\n", "`cli' is for the kernel alone: a program asks it by int $0x80"),
    ("port", " inb $0x60, %al\n", "`inb' is for the kernel alone: a program asks it by int $0x80"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "words"), [c[1:] for c in CAUSES], ids=[c[0] for c in CAUSES])
def test_the_cause_is_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    source: str, words: str,
) -> None:  # fmt: skip
    write(tmp_path, f".globl _start\n_start:\n{source}.section .note.GNU-stack\n")
    monkeypatch.chdir(tmp_path)
    assert call(["run", "--rlimit", "stack=64K", "program.S"]) == 139
    message = capfd.readouterr().err
    assert message.startswith("toykernel: pid 2 killed by SIGSEGV at eip 0x")
    assert message.endswith(f"; {words}\n")


@pytest.mark.parametrize(
    "source",
    [
        " movl 0x70000000, %eax\n",  # a wrong address that is none of these
        " movl %esp, %ebx\n subl $0x8000000, %esp\n movl %eax, 8(%ebx)\n movl $1, 0\n",
        " movl $0x30, %eax\n movl %eax, %ds\n",  # a general protection fault without a vector
        " movl $1, 0x70000000\n",
    ],
)
def test_nothing_is_guessed(capfd: pytest.CaptureFixture[str], tmp_path: Path, source: str) -> None:
    path = write(tmp_path, f".globl _start\n_start:\n{source}")
    assert call(["run", str(path)]) == 139
    assert ";" not in capfd.readouterr().err


def test_a_division_is_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path, ".globl _start\n_start: xorl %ebx, %ebx\n divl %ebx\n")
    assert call(["run", str(path)]) == 136
    assert capfd.readouterr().err.endswith(
        "; a division by 0, or a quotient too large for its register\n"
    )
