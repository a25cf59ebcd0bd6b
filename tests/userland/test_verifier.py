"""The check of the engine's answers, with an engine that lies."""

from __future__ import annotations

import pytest

from userland.assembler import AssemblyError, assemble_text
from userland.assembler.engine import Engine

# written, what a wrong engine would encode instead
LIES = [
    ("movl 0x10(%ebx), %eax", "movl 0x14(%ebx), %eax"),
    ("movl 0x10(%ebx), %eax", "movl 0x10(%ecx), %eax"),
    ("movl (%ebx,%ecx,4), %eax", "movl (%ebx,%ecx,8), %eax"),
    ("movl (%ebx,%ecx,4), %eax", "movl (%ebx,%edx,4), %eax"),
    ("movl 0x1234, %ebx", "movl 0x34, %ebx"),
    ("movl %eax, %ebx", "movl %ebx, %eax"),
    ("movl %eax, %ebx", "movl %eax, %ecx"),
    ("movl $5, %eax", "movl $6, %eax"),
    ("pushl $0xffff", "pushl $-1"),
    ("addl $1, (%eax)", "subl $1, (%eax)"),
    ("addl $1, %eax", "addb $1, %al"),
    ("jmp *%eax", "call *%eax"),
    ("jmp *(%eax)", "jmp *%eax"),
    ("sete %al", "setne %al"),
    ("cmovl %eax, %ebx", "cmovg %eax, %ebx"),
    ("movzbl %al, %eax", "movsbl %al, %eax"),
    ("iret", "iretw"),
    ("pushf", "pushfw"),
    ("int $0x80", "int $0x81"),
    ("lgdt (%eax)", "lidt (%eax)"),
    ("shll $3, %eax", "shrl $3, %eax"),
    ("shll $3, %eax", "shll $4, %eax"),
    ("movl %cr3, %eax", "movl %cr2, %eax"),
    ("movsl", "movsb"),
    ("fldl (%eax)", "fstpl (%eax)"),
    ("addps %xmm1, %xmm2", "mulps %xmm1, %xmm2"),
    ("outb %al, %dx", "outl %eax, %dx"),
    ("xchgl %eax, (%ebx)", "xchgl %ecx, (%ebx)"),
    ("enter $16, $0", "enter $17, $0"),
]


def _tell(monkeypatch: pytest.MonkeyPatch, data: bytes | None) -> None:
    monkeypatch.setattr(Engine, "encode", lambda self, text: data)


@pytest.mark.parametrize(("written", "encoded"), LIES)
def test_another_instruction_is_noticed(
    written: str, encoded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assemble_text(f"_start: {written}")
    wrong = assemble_text(f"_start: {encoded}").section(".text").data
    _tell(monkeypatch, wrong)
    with pytest.raises(AssemblyError, match="not encoded reliably"):
        assemble_text(f"_start: {written}")


def test_a_dropped_instruction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    _tell(monkeypatch, None)
    with pytest.raises(AssemblyError, match="does not take these operands"):
        assemble_text("_start: addl %eax, %ebx")


@pytest.mark.parametrize("data", [b"\x01", b"\x01\xc3\x90", b"\x0f\xff\xff"])
def test_bytes_that_are_no_single_instruction_are_noticed(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell(monkeypatch, data)
    with pytest.raises(AssemblyError, match="not encoded reliably"):
        assemble_text("_start: addl %eax, %ebx")


@pytest.mark.parametrize("line", [".text", "movl $1, %eax; hlt", "movl 4660, %eax", "jmp foo"])
def test_the_engine_only_takes_text_made_for_it(line: str) -> None:
    with pytest.raises(AssertionError, match="not meant for the engine"):
        Engine().encode(line)
