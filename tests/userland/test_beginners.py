"""The mistakes of beginners: the whole report, as it is read. A report that changes is looked at again."""

from __future__ import annotations

from pathlib import Path

import pytest

from userland.assembler import AssemblyError, assemble
from userland.assembler.hints import nasm_form

START = ".globl _start\n_start:\n"
REPORTS = {
    "no_include.S": (START + " sys_exit 0\n sys_nothing\n", """
no_include.S:3: no such instruction: `sys_exit'
    sys_exit 0
    ^
  hint: it is a macro: .include "linux.inc"
no_include.S:4: no such instruction: `sys_nothing'
    sys_nothing
    ^"""),
    "no_preprocessor.s": (f"#define STATUS 4\n{START} movl $STATUS, %ebx\n", """
no_preprocessor.s:4: undefined symbol `STATUS'
    movl $STATUS, %ebx
          ^
note: no_preprocessor.s has #define or the like, but only a .S goes through the preprocessor"""),
    "nasm.asm": ("; a comment\nsection .text\nglobal _start\n_start:\n mov eax, 1\nmsg: db 'hi', 10\n"
                 "len equ $-msg\nroom resb 64\nrow: resd 4\n", """
nasm.asm:2: this is NASM source, and the assembler takes GNU's
    section .text
  hint: GNU: .section .text
nasm.asm:3: this is NASM, too
    global _start
  hint: GNU: .globl _start
nasm.asm:6: this is NASM, too
    msg: db 'hi', 10
  hint: GNU: msg: .ascii "hi"; .byte 10
nasm.asm:7: this is NASM, too
    len equ $-msg
  hint: GNU: .equ len, .-msg
nasm.asm:8: this is NASM, too
    room resb 64
  hint: GNU: room: .skip 64
nasm.asm:9: this is NASM, too
    row: resd 4
  hint: GNU: row: .skip 4 * 4"""),
    "a_line_of_nasm.S": (START + " section .text\nx: db 1\n", """
a_line_of_nasm.S:3: no such instruction: `section'
    section .text
    ^
  hint: that is NASM's; GNU: .section .text
a_line_of_nasm.S:4: no such instruction: `db'
    x: db 1
       ^
  hint: that is NASM's; GNU: x: .byte 1"""),
    "intel.S": (START + " mov eax, 1\n int 0x80\n", """
intel.S:3: no size suffix and no register gives the size of `mov'
    mov eax, 1
    ^
  hint: write %eax; or, for Intel syntax, .intel_syntax noprefix before it
intel.S:4: `int' takes an immediate
    int 0x80
    ^
  hint: write int $0x80"""),
    "registers.S": (START + " movl $1, eax\n movl $1, rax\n movl $1, %rax\n pushl ebx\n", """
registers.S:3: undefined symbol `eax'
    movl $1, eax
             ^
  hint: a register is written %eax; or write .intel_syntax noprefix first
registers.S:4: undefined symbol `rax'
    movl $1, rax
             ^
  hint: this is a 32-bit machine: it has no 64-bit registers, write %eax and its kin
registers.S:5: bad register name `%rax'
    movl $1, %rax
              ^
  hint: this is a 32-bit machine: it has no 64-bit registers
registers.S:6: undefined symbol `ebx'
    pushl ebx
          ^
  hint: a register is written %ebx; or write .intel_syntax noprefix first"""),
    "wide.S": (".intel_syntax noprefix\n" + START + " mov rax, 1\n mov r9, [ebx]\n", """
wide.S:4: no size suffix and no register gives the size of `mov'
    mov rax, 1
    ^
  hint: this is a 32-bit machine: it has no 64-bit registers, write %eax and its kin
wide.S:5: no size suffix and no register gives the size of `mov'
    mov r9, [ebx]
    ^
  hint: this is a 32-bit machine: it has no 64-bit registers, write %eax and its kin"""),
    "number.S": (START + " movl $__NR_read, %eax\n", """
number.S:3: undefined symbol `__NR_read'
    movl $__NR_read, %eax
          ^
  hint: the numbers of system calls: #include <asm/unistd.h> (SYS_: <sys/syscall.h>) in a .S, the usual ones \
.include "linux.inc\""""),
    "printf.S": (START + " pushl $mesage\n call printf\nmessage: .byte 1\n", """
printf.S:3: undefined symbol `mesage'
    pushl $mesage
           ^
  hint: did you mean `message'?
printf.S:4: undefined symbol `printf'
    call printf
         ^
  hint: there is no C library here: write it in C (toykernel run x.c), link one, or use system calls"""),
    "unwound.S": (START + " .cfi_startproc\n call printf\n call exti\n .cfi_endproc\n", """
unwound.S:4: undefined symbol `printf'
    call printf
         ^
  hint: there is no C library here: write it in C (toykernel run x.c), link one, or use system calls
unwound.S:5: undefined symbol `exti'
    call exti
         ^
  hint: define it, or link the file that does: --with FILE"""),
    "main.S": (".globl main\nmain: movl $1, %eax\n ret\n", """
main.S: no entry point: `_start' is not defined, only `main'
  hint: `main' is called by a C library, which is not linked here: name it `_start', and end with the """
     "system call exit, or write it in C (toykernel run x.c)"),
    "bom.S": ("\ufeff" + START, """
bom.S:1: the file begins with a byte order mark (EF BB BF)
  hint: save it as UTF-8 without BOM"""),
    "near.S": (START + " .floot 1\n movel $1, %eax\n sectoin .text\n .lcol x\n .dobule 1\n", """
near.S:3: unknown or unsupported directive `.floot'
    .floot 1
    ^
  hint: did you mean `.float'?
near.S:4: no such instruction: `movel'
    movel $1, %eax
    ^
  hint: did you mean `movl'?
near.S:5: no such instruction: `sectoin'
    sectoin .text
    ^
near.S:6: unknown or unsupported directive `.lcol'
    .lcol x
    ^
near.S:7: unknown or unsupported directive `.dobule'
    .dobule 1
    ^
  hint: did you mean `.double'?"""),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, report = REPORTS[name]
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(source)
    with pytest.raises(AssemblyError) as caught:
        assemble(Path(name))
    assert caught.value.report() == report.lstrip("\n")


def test_twenty_are_said_at_most(tmp_path: Path) -> None:
    (tmp_path / "x.S").write_text(START + " movl $1, eax0\n" * 5 + " foo\n" * 30)
    with pytest.raises(AssemblyError) as caught:
        assemble(tmp_path / "x.S")
    assert len(caught.value.more) == 19
    assert [problem.line for problem in (caught.value, *caught.value.more)] == list(range(8, 28))


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("len equ $-msg", ".equ len, .-msg"),
        ("len equ $ - $$x", ".equ len, . - $$x"),
        ('%include "x.inc"', '.include "x.inc"'),
    ],
)
def test_the_present_address_and_an_include_of_nasm(line: str, form: str) -> None:
    assert nasm_form(line) == form
