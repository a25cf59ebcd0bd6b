"""Everything wrong with a source is an AssemblyError that says where, what and, mostly, how."""

# ruff: noqa: SIM905, PT017 - tables of words
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from userland.assembler import AssemblyError, assemble, assemble_text

# source, line, part of the message, part of the hint
MISTAKES = [
    ("_start: mvol $1, %eax", 1, "no such instruction: `mvol'", "movl"),
    ("_start: nop\n movll $1, %eax", 2, "no such instruction", "mov"),
    ("_start: movl $1, %eex", 1, "bad register name `%eex'", None),
    ("_start: movl $1, %rax", 1, "bad register name `%rax'", "32-bit machine"),
    ("_start: movl %al, %eax", 1, "incorrect register `%al' used with `l' suffix", None),
    (".intel_syntax noprefix\n_start: mov [eax], 1", 2, "no size suffix", "movb or movw or movl"),
    ("_start: mov $1, %ds", 1, "immediate cannot be loaded into `%ds'", "general register"),
    ("_start: call $_start", 1, "takes a label", "drop the `$'"),
    ("_start: int 0x80", 1, "takes an immediate", "write int $0x80"),
    (
        "_start: movl mesage, %eax\n.data\nmessage: .long 1",
        1,
        "undefined symbol `mesage'",
        "message",
    ),
    ("_start: call nowhere", 1, "undefined symbol `nowhere'", None),
    ("_start: jmp nowhere", 1, "undefined symbol `nowhere'", None),
    ("_start: jmp 1f\n1: jmp 2b", 2, "local label `2b'", None),
    ("_start: jmp 1f", 1, "local label `1f'", None),
    ("_start: nop\n_start: nop", 2, "symbol `_start' is already defined", ":1"),
    ("_start: nop\n.equ _start, 1", 2, "already defined", ":1"),
    (".equiv a, 1\n.equiv a, 2\n_start:", 2, "already defined", None),
    (".equ a, b\n.equ b, a\n_start: movl $a, %eax", None, "defined by itself", None),
    ("_start: .byt 1", 1, "unknown or unsupported directive `.byt'", "`.byte'"),
    ("_start: .byte _start", 1, "address 0x8049000 does not fit in 1 byte", None),
    ("_start: .long 1/0", 1, "division by zero", None),
    ("_start: .long _start * 2", 1, "cannot combine", None),
    ("_start: .long (1", 1, "missing `)'", None),
    ("_start: .long 09", 1, "octal", None),
    ("_start: .ascii hello", 1, "takes strings", '"text"'),
    ('_start: .ascii "hello', 1, "unterminated string", None),
    ("_start: nop\n/* open", 2, "never closed", None),
    ("_start: .if 1\nnop", 1, "`.if' without `.endif'", None),
    (".if 1\n_start: nop", 1, "without `.endif'", None),
    ("_start:\n.endif", 2, "without `.if'", None),
    ("_start:\n.if later\n.endif\nlater = 1", 2, "`later' is not a constant here", "before"),
    ("_start: mov (%eax), (%ebx)", 1, "too many memory references", "through a register"),
    ("_start: movl a, a\na: nop", 1, "does not take these operands", "through a register"),
    ("_start: movl %eax, $5", 1, "does not take these operands", "source first"),
    ("_start: mov %al, %ebx", 1, "operand sizes of `mov' do not match", "movzbl widens"),
    ("_start: pushb %al", 1, "invalid instruction suffix", None),
    ("_start: push %al", 1, "has no 8-bit form", "16 and 32 bits"),
    ("_start: int $0x80h", 1, "junk `0x80h'", "no h"),
    ("_start: mov $'ab', %eax", 1, "junk `b'", "one character"),
    ("_start: rdrand %eax", 1, "no such instruction", "Pentium III"),
    ("_start: vaddps %eax", 1, "no such instruction", "Pentium III"),
    ("_start: addsubpd %xmm0, %xmm1", 1, "no such instruction", "Pentium III"),
    ("_start: pfadd %mm0, %mm1", 1, "no such instruction", "Pentium III"),
    ("_start: crc32b %al, %eax", 1, "no such instruction", "Pentium III"),
    ("_start: vpcmpgtq %xmm0, %xmm1, %xmm2", 1, "no such instruction", "Pentium III"),
    ("_start: mov %ymm0, %eax", 1, "bad register name `%ymm0'", "Pentium III"),
    ("_start: exit", 1, "no such instruction: `exit'", "sys_exit after .include"),
    ("_start: call helper", 1, "undefined symbol `helper'", "--with FILE"),
    (".macro m\nnop", 1, "`.macro' without `.endm'", None),
    (".macro m a:req\n.endm\n_start: m", 3, "needs its argument `a'", None),
    (".macro m\n.endm\n_start: m 1", 3, "too many arguments", None),
    (".macro m\nm\n.endm\n_start: m", 2, "nested more than", "itself"),
    (".macro m x\nmovl $\\x, %eex\n.endm\nnop\n_start: m 1", 2, "%eex", "used at <text>:5"),
    ("_start:\n.rept 2\nfoo\n.endr", 3, "no such instruction: `foo'", None),
    ("_start:\n.rept 1000000000\nnop\n.endr", 2, "more than", None),
    ('_start: .include "missing.inc"', 1, "`missing.inc' not found", None),
    (".bss\n.long 1\n_start:", 2, "can only hold zeros", ".data"),
    ("_start: .org 10\n.org 5", 2, "backwards", None),
    ("_start: loop far\n.fill 200\nfar:", 1, "bytes away", "jmp"),
    ("_start: .balign 3", 1, "not a power of 2", None),
    (".intel_syntax noprefix\n_start: mov %eax, 1", 2, "`%' prefix", "AT&T"),
    ("_start: mov eax, [ebx]", 1, "Intel syntax", ".intel_syntax"),
    ("_start: lock movl %eax, (%ebx)", 1, "lockable", None),
    ("_start: rep addl %eax, %ebx", 1, "string instructions", None),
    ("main: ret", 0, "only `main'", "_start"),
    ("_start: ]", 1, "junk", None),
    ("_start: .space 0x7fffffff", 1, "too many", None),
    ("_start: nop\0", 1, "NUL", None),
    ('_start: .error "stop here"', 1, "stop here", None),
]


@pytest.mark.parametrize(("source", "line", "message", "hint"), MISTAKES)
def test_mistake_is_named_and_placed(
    source: str, line: int | None, message: str, hint: str | None
) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble_text(source)
    problem = caught.value
    assert message in problem.message
    if line is not None:
        assert problem.line == line
    if hint is not None:
        assert hint in (problem.hint or "")
    assert str(problem).startswith("<text>")


def test_line_in_an_included_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.inc").write_text("nop\nnop\nfoo\n")
    main = tmp_path / "main.S"
    main.write_text('_start: nop\n.include "bad.inc"\n')
    with pytest.raises(AssemblyError) as caught:
        assemble(main)
    assert caught.value.file == str(tmp_path / "bad.inc")
    assert caught.value.line == 3


def test_lines_after_an_include_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "good.inc").write_text("nop\nnop\n")
    main = tmp_path / "main.S"
    main.write_text('_start: nop\n.include "good.inc"\nhlt\n')
    places = [(Path(entry.file).name, entry.line, entry.text) for entry in assemble(main).lines]
    assert places == [
        ("main.S", 1, "_start: nop"),
        ("good.inc", 1, "nop"),
        ("good.inc", 2, "nop"),
        ("main.S", 3, "hlt"),
    ]


def test_recursive_include_is_refused(tmp_path: Path) -> None:
    main = tmp_path / "main.S"
    main.write_text('_start: nop\n.include "main.S"\n')
    with pytest.raises(AssemblyError, match=r"main\.S:2: include file `main.S' includes itself"):
        assemble(main)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xef\xbb\xbfnop\n", "byte order mark"), (b"\x7fELF\x01\x01\x80", "object file")],
)
def test_binary_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.S"
    path.write_bytes(content)
    with pytest.raises(AssemblyError, match=message):
        assemble(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match="No such file"):
        assemble(tmp_path / "none.S")
    with pytest.raises(AssemblyError, match="directory"):
        assemble(tmp_path)


def test_overlapping_origins_and_unknown_section() -> None:
    source = "_start: .fill 16, 1, 0x90\n.data\n.long 1\n"
    with pytest.raises(AssemblyError, match="overlaps"):
        assemble_text(source, origin={".text": 0x1000, ".data": 0x1008})
    with pytest.raises(AssemblyError, match=r"\.foo"):
        assemble_text(source, origin={".foo": 0x1000})
    with pytest.raises(AssemblyError, match="32-bit"):
        assemble_text(source, origin={".text": 0xFFFFFFF8})


PIECES = st.sampled_from(
    "_start: .text .data .section .macro .endm .rept .endr .if .else .endif .include .org .align "
    '.equ .byte .long .ascii "a" \'a $ % %eax %st( ( ) , ; : = 1f 1b 1: 0x 5 -1 * + - << \\x \\@ '
    "mov movl jmp call rep lock int [eax] .intel_syntax noprefix .att_syntax foo .incbin .code16 "
    "db ptr dword offset .set .fill .space 99999999999 .irp .p2align @ # /* */ // \n \n \n".split(
        " "
    )
)


@settings(max_examples=400, deadline=None)
@given(pieces=st.lists(PIECES, max_size=25))
def test_no_text_escapes_as_another_exception(pieces: list[str]) -> None:
    _assemble_or_refuse(" ".join(pieces))


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_no_unicode_escapes_as_another_exception(text: str) -> None:
    _assemble_or_refuse(text)


def _assemble_or_refuse(text: str) -> None:
    try:
        program = assemble_text(text)
    except AssemblyError as problem:
        assert problem.message
        return
    assert program.elf()[:4] == b"\x7fELF"


@pytest.mark.parametrize(
    "source", ["(" * 5000, "-" * 5000 + "1", ".text " * 50, "1+" * 5000 + "1", "a:" * 5000]
)
def test_deep_or_long_lines_do_not_crash(source: str) -> None:
    """The engine dies on some texts, so the check runs in a process of its own."""
    code = (
        "import sys\nfrom userland.assembler import AssemblyError, assemble_text\n"
        "try:\n assemble_text('_start: .long ' + sys.stdin.read())\n"
        "except AssemblyError as e:\n print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=source, capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]


def test_several_mistakes_are_told_at_once_in_order() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble_text("_start: foo\nnop\nmovl $1, %rax\n.byte\n.byte ,\nbar $2\n")
    lines = [caught.value.line, *(problem.line for problem in caught.value.more)]
    assert lines == [1, 3, 5, 6]


@pytest.mark.parametrize(
    ("text", "line", "form"),
    [
        ("section .text\nglobal _start\n_start: mov eax, 1\n", 1, ".section .text"),
        ("; hello\nglobal _start\n", 2, ".globl _start"),
        ("_start: nop\n.bad\nmsg: db 'hi',10\n", 3, 'msg: .ascii "hi"; .byte 10'),
    ],
)
def test_nasm_is_named_with_the_gnu_form(text: str, line: int, form: str) -> None:
    with pytest.raises(AssemblyError, match="this is NASM source") as caught:
        assemble_text(text)
    assert (caught.value.line, caught.value.hint) == (line, f"GNU: {form}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("_start: mov eax, 1", ".intel_syntax noprefix"),
        ("_start: movl $1, eax", "%eax"),
        ("_start: sys_exit 0", "linux.inc"),
        ("_start: call printf", "no C library"),
        (".intel_syntax noprefix\n_start: mov eax, dword [ebx]", "write dword ptr [ebx]"),
    ],
)
def test_hint_says_what_to_write(text: str, hint: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble_text(text)
    assert hint in (caught.value.hint or "")


def test_report_marks_what_is_meant() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble_text("_start: nop\n  movl $1, %rax\nmovl $1, eax2 + )\n", name="x.s")
    lines = caught.value.report().split("\n")
    assert lines[:3] == ["x.s:2: bad register name `%rax'", "    movl $1, %rax", " " * 14 + "^"]
    assert lines[3] == "  hint: this is a 32-bit machine: it has no 64-bit registers"
    assert lines[4].startswith("x.s:3:")


def test_without_start_the_program_begins_with_text_and_says_so() -> None:
    program = assemble_text("nop\n", name="x.s")
    assert program.entry == program.section(".text").address
    assert program.warnings == (
        "x.s: `_start' is not defined: the program starts at the first byte of .text",
    )


@pytest.mark.parametrize(
    "line",
    ["add eax, qword ptr [eax]", "paddd xmm0, dword ptr [eax]", "movss xmm0, qword ptr [eax]",
     "push qword ptr [eax]", "cvtsi2sd xmm0, qword ptr [eax]", "mov ax, fword ptr [eax]"],
)  # fmt: skip
def test_a_wrong_memory_size_is_refused_as_by_gnu(line: str) -> None:
    with pytest.raises(AssemblyError, match="operand size mismatch"):
        assemble_text(f".intel_syntax noprefix\n_start: {line}\n")
