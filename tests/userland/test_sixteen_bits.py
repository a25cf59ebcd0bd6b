"""Code and addresses of 16 bits against GNU as: what boot sectors are written in."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from corpus import att_lines
from gnu_objects import same_object
from gnu_toolchain import needs_gnu, refusals
from sixteen import GUESSED, LINES, NARROW

from userland.assembler import AssemblyError, assemble, assemble_object

# gas gives `push $sym` a field of the wrong width; what others do is no rule.
REFUSED = {
    ".code16": {"pushl $0x123456789", "pushl $0x1ffffffff", "push $0x1ffffffff", "pushw $0x12345",
                "push $0x1fffffff5"},
    ".code16gcc": {"push $sym", "pushl $0x123456789", "pushl $0x1ffffffff", "push $0x1ffffffff",
                   "pushw $0x12345", "push $0x1fffffff5"},
    ".code32": {"push $0x1ffffffff", "push $0x1fffffff5"},
}  # fmt: skip
BOOT = """
    .code16
    .globl start
start:
    cli
    xorw %ax,%ax
    movw %ax,%ds
1:  inb $0x64,%al
    testb $0x2,%al
    jnz 1b
    lgdt gdtdesc
    movl %cr0,%eax
    orl $1,%eax
    movl %eax,%cr0
    ljmp $8,$start32
    .p2align 4
    .code32
start32:
    movw $16,%ax
    movl $start,%esp
    .p2align 2
gdtdesc: .word 23
    .long start
    .org 510
    .word 0xaa55
"""


def refused_here(source: Path) -> dict[int, str]:
    """By line, why our assembler refuses it; no more than it says in one run."""
    try:
        assemble_object(source)
    except AssemblyError as problem:
        return {found.line: found.message for found in (problem, *problem.more)}
    return {}


def both_take(mode: str, lines: list[str], folder: Path) -> tuple[str, list[str]]:
    """A source of what both take, and what only GNU as does. Fails when it is the other way round."""
    source = folder / "x.s"
    source.write_text("\n".join([mode, *lines]) + "\n")
    theirs = refusals(source)
    for number in theirs:
        source.write_text(f"{mode}\n{lines[number - 2]}\n")
        assert refused_here(source), f"GNU as refuses {lines[number - 2]}: {theirs[number]}"
    lines = [line for number, line in enumerate(lines, 2) if number not in theirs]
    left: list[str] = []
    while True:
        source.write_text("\n".join([mode, *lines]) + "\n")
        ours = refused_here(source)
        if not ours:
            return source.read_text(), left
        left += [lines[number - 2] for number in ours]
        lines = [line for number, line in enumerate(lines, 2) if number not in ours]


@needs_gnu
@pytest.mark.parametrize("mode", [".code16", ".code16gcc", ".code32"])
def test_lines_give_gnu_objects(mode: str, tmp_path: Path) -> None:
    lines = [line for line in (LINES + NARROW + GUESSED).split("\n") if line]
    if mode != ".code16":
        lines = [line for line in lines if not line.startswith(("data32", "addr32"))]
    text, left = both_take(mode, lines, tmp_path)
    assert set(left) == REFUSED[mode]
    (tmp_path / "x.s").write_text(text)
    same_object(tmp_path / "x.s", tmp_path)


@needs_gnu
@pytest.mark.parametrize("mode", [".code16", ".code32"])
def test_intel_lines_give_gnu_objects(mode: str, tmp_path: Path) -> None:
    lines = [
        f"{name} {size} ptr [bx]" for name in ("jmp", "call") for size in ("word", "dword", "fword")
    ]
    lines += ["call [bx]", "mov word ptr [si+bx], ax", "mov ax, [bx+si]", "fild word ptr [bx]"]
    text, left = both_take(f"{mode}\n.intel_syntax noprefix".replace("\n", ";"), lines, tmp_path)
    assert left == []
    (tmp_path / "x.s").write_text(text)
    same_object(tmp_path / "x.s", tmp_path)


@needs_gnu
def test_prefixes_for_absolute_addresses(tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    moves = "mov 0x898, %al\naddrN mov %eax, 0x898\naddrN mov 0x898, %ebx\naddrN movb sym, %cl\n"
    lines = f"addrN {moves}"
    source.write_text(lines.replace("N", "16") + ".code16\n" + lines.replace("N", "32"))
    same_object(source, tmp_path)


@needs_gnu
def test_every_tenth_form_in_sixteen_bits(tmp_path: Path) -> None:
    chosen = random.Random(16).sample(att_lines(), 700)
    short = [
        line.replace("(%eax)", "(%bx)").replace("8(%ebp)", "8(%bp,%si)").replace("(%esp)", "(%di)")
        for line in chosen
    ]
    lines = list(dict.fromkeys(chosen + short))
    text, left = both_take(".code16", lines, tmp_path)
    assert set(left) == set()
    (tmp_path / "x.s").write_text(text)
    same_object(tmp_path / "x.s", tmp_path)


@needs_gnu
@pytest.mark.parametrize("gap", [*range(1, 16), 40, 126, 127, 128, 129, 200])
def test_padding_in_the_mode_at_the_end(gap: int, tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    for modes in ((".code16", ""), (".code32", ".code16"), (".code16", ".code32")):
        source.write_text(f"{modes[0]}\n.skip {256 - gap}, 0x90\n.p2align 8\nnop\n{modes[1]}\n")
        same_object(source, tmp_path)


@needs_gnu
def test_jumps_grow_to_words(tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text(
        ".code16\na: jmp b\njne b\n.skip 120\nb: jmp a\njc b\n.skip 200\ndata32 jmp a\ndata32 je b\njmp c\n"
        '.code32\nc: jmp a\njmp c\n.section .other,"ax"\njmp a\n.code16\njmp a\n'
    )
    same_object(source, tmp_path)


@needs_gnu
def test_a_boot_sector(tmp_path: Path) -> None:
    source = tmp_path / "boot.s"
    source.write_text(BOOT)
    same_object(source, tmp_path)
    program = assemble(source, origin={".text": 0x7C00})
    (text,) = program.sections
    assert text.size == 512
    assert text.data[-2:] == b"\x55\xaa"
    at = text.data.index(b"\x0f\x01\x16")
    assert int.from_bytes(text.data[at + 3 : at + 5], "little") == program.symbols["gdtdesc"].value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".code16\n_start: movw $_start, %ax\n", "address 0x8049000 does not fit in 2 bytes"),
        (".code16\nmovw (%bx,%bp), %ax\n", "no 16-bit address has these registers"),
        (".code16\ndata16 ret\n", "redundant data16 prefix"),
        (".code16gcc\npush $sym\n", "gas makes a 32-bit `push' of this"),
        (".code64\nnop\n", "`.code64' is not supported"),
    ],
)
def test_what_is_refused_is_said(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.s").write_text(text)
    with pytest.raises(AssemblyError) as caught:
        assemble(tmp_path / "x.s")
    assert message in caught.value.message
