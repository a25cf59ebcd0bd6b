"""Instruction forms against GNU as: the same bytes for all that are accepted, and nothing
accepted that GNU as refuses."""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import random
from pathlib import Path

import pytest
from corpus import INTEL_LINES, att_lines
from gnu_toolchain import compare, needs_gnu, refusals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from userland.assembler import AssemblyError, assemble, assemble_text
from userland.assembler.mnemonics import EXACT, PREFIXES, SIZED

# Forms that GNU as takes and this assembler does not: each is a decision, listed in
# docs/assembler.md.
REFUSED = {
    "nop nop",  # GNU as takes the second word for a label
}  # fmt: skip


def accepted(line: str, header: str = "") -> str | None:
    """None when the line assembles, else why not."""
    try:
        assemble_text(f"{header}_start: {line}\n.data\ntable: .long 0\n")
    except AssemblyError as problem:
        return problem.message
    return None


def check(lines: list[str], tmp_path: Path, header: str = "") -> tuple[list[str], list[str]]:
    """Compare the accepted lines with GNU as; return those accepted and those refused here."""
    taken = [line for line in lines if accepted(line, header) is None]
    source = tmp_path / "lines.s"
    tail = "\n.data\n.att_syntax prefix\ntable: .long 0\n"
    source.write_text(f"{header}_start:\n" + "\n".join(taken) + tail)
    first = source.read_text().split("\n").index("_start:") + 2
    refused = {taken[line - first]: why for line, why in refusals(source).items()}
    assert refused == {}, "accepted here, refused by GNU as"
    compare(source, assemble(source), tmp_path)
    return taken, [line for line in lines if line not in set(taken)]


@needs_gnu
def test_every_form_gives_gnu_bytes(tmp_path: Path) -> None:
    taken, left = check(att_lines(), tmp_path)
    assert len(taken) > 6000
    source = tmp_path / "left.s"
    source.write_text("\n".join(left) + "\n.data\ntable: .long 0\n")
    theirs = refusals(source)
    only_gnu = {line for number, line in enumerate(left, 1) if number not in theirs}
    assert only_gnu == REFUSED


@needs_gnu
def test_intel_lines_give_gnu_bytes(tmp_path: Path) -> None:
    _, left = check(INTEL_LINES, tmp_path, ".intel_syntax noprefix\n")
    assert left == []


NAMES = sorted({*SIZED, *EXACT} | {name + size for name in SIZED for size in SIZED[name].sizes})
OPERANDS = st.one_of(
    st.sampled_from("eax ecx edx ebx esp ebp esi edi ax cx bp al ah dl ch".split()).map("%{}".format),
    st.sampled_from("ds fs cr0 dr7 st st(3) xmm1 mm2 dx cl".split()).map("%{}".format),
    st.integers(-(2**31), 2**32 - 1).map("${}".format),
    st.integers(-130, 260).map("${}".format),
    st.builds(
        "{}{}({},{},{})".format,
        st.sampled_from(["", "", "%fs:", "%ds:", "%ss:"]),
        st.one_of(st.just(""), st.integers(-200, 200), st.integers(-(2**31), 2**32 - 1)),
        st.sampled_from("%eax %ebp %esp %edi".split()),
        st.sampled_from("%eax %ebp %ecx %esi".split()),
        st.sampled_from([1, 2, 4, 8]),
    ),
    st.builds(
        "{}({})".format, st.integers(-200, 200), st.sampled_from("%eax %ebp %esp %edi".split())
    ),
    st.integers(0, 2**32 - 1).map(hex),
    st.sampled_from(["table", "$table", "table+4(%ebx)", "*table(,%eax,4)", "*%eax"]),
)  # fmt: skip
LINES = st.builds(
    lambda prefix, name, operands: f"{prefix}{name} {', '.join(operands)}".strip(),
    st.sampled_from(["", "", "", "", *(name + " " for name in PREFIXES)]),
    st.sampled_from(NAMES),
    st.lists(OPERANDS, max_size=3),
)


@needs_gnu
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(LINES, min_size=40, max_size=80))
def test_generated_lines_give_gnu_bytes(lines: list[str], tmp_path: Path) -> None:
    check(list(dict.fromkeys(lines)), tmp_path)


@needs_gnu
@pytest.mark.parametrize("seed", range(6))
def test_random_jumps_and_alignments(seed: int, tmp_path: Path) -> None:
    chooser = random.Random(seed)
    count = 60
    lines = ["_start:"]
    for number in range(count):
        lines.append(f"l{number}:")
        for _ in range(chooser.randrange(4)):
            target = min(count - 1, max(0, number + chooser.randrange(-6, 7)))
            lines.append(
                chooser.choice(
                    [
                        f"jmp l{target}", f"jne l{target}", f"call l{target}", "nop",
                        f".fill {chooser.randrange(60)}, 1, 0x90", f"movl $l{target}, %eax",
                        f"addl $(l{max(0, number - 1)} - l0), %eax", f"pushl $(l{target} - l0)",
                        f".long l{target} - .", "addl $0x1234, 4(%esp)",
                    ]
                )
            )  # fmt: skip
        if chooser.random() < 0.15:
            lines.append(f".balign {chooser.choice([2, 4, 8, 16, 32, 64])}")
    source = tmp_path / "random.s"
    source.write_text("\n".join(lines) + "\n")
    compare(source, assemble(source), tmp_path)
