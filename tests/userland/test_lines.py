"""The line table: where each statement stands, and where the macro around it was used."""

from __future__ import annotations

from pathlib import Path

from userland.assembler import assemble_text

SOURCE = """\
.macro inner value
    movl $\\value, %eax
.endm
.macro outer
    nop
    inner 5
    .rept 2
    incl %eax
    .endr
.endm
.globl _start
_start:
    outer
    .rept 2
    decl %eax
    .endr
    jmp far
    .skip 200
far:
    inner 6
"""


def test_a_macro_line_knows_its_outermost_use() -> None:
    lines = assemble_text(SOURCE, name="m.S").lines
    found = [(e.line, e.text, e.call) for e in lines]
    assert found == [
        (5, "nop", ("m.S", 13)),
        (2, "movl $5, %eax", ("m.S", 13)),
        (8, "incl %eax", ("m.S", 13)),  # repetitions of one statement are one entry
        (15, "decl %eax", None),
        (17, "jmp far", None),
        (18, ".skip 200", None),
        (2, "movl $6, %eax", ("m.S", 20)),
    ]


def test_a_macro_of_an_include_knows_the_file_that_uses_it(tmp_path: Path) -> None:
    (tmp_path / "m.inc").write_text(".macro two\nnop\nhlt\n.endm\n")
    text = '.include "m.inc"\n_start:\n.globl _start\n two\n'
    lines = assemble_text(text, name="p.S", include=[tmp_path]).lines
    assert [(Path(e.file).name, e.line, e.call) for e in lines] == [
        ("m.inc", 2, ("p.S", 4)),
        ("m.inc", 3, ("p.S", 4)),
    ]
