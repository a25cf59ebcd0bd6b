"""Random Intel lines and random expressions against GNU as: the same bytes, and nothing accepted that it
refuses."""

# ruff: noqa: SIM905 - tables of words
from __future__ import annotations

import subprocess
from pathlib import Path

from gnu_toolchain import needs_gnu, refusals
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_gnu_instructions import check

from userland.assembler import AssemblyError, assemble, assemble_text

INTEL = ".intel_syntax noprefix\n"
_ANY = "eax ecx edx ebx esp ebp esi edi ax cx si bp al cl dh bh".split()
_BASES = "eax ecx ebx esp ebp esi edi".split()
_INDEXES = "eax ecx ebp esi edi".split()
_INTEGER = (
    "mov add or adc sbb and sub xor cmp test xchg xadd cmpxchg lea imul movzx movsx bt bts shl sar rol rcr "
    "inc dec neg not mul div push pop cmove cmovnl sete setnb bsf bsr bswap shld shrd"
).split()

_numbers = st.one_of(
    st.integers(-200, 300).map(str), st.integers(-(2**31), 2**32 - 1).map(str),
    st.integers(0, 2**32 - 1).map(lambda n: f"0{n:x}h"),
    st.integers(0, 2**32 - 1).map(hex),
)  # fmt: skip
_addresses = st.one_of(
    st.sampled_from(_BASES),
    st.builds("{}+{}".format, st.sampled_from(_BASES), st.integers(-200, 2000)),
    st.builds("{}+{}*{}".format, st.sampled_from(_BASES), st.sampled_from(_INDEXES),
              st.sampled_from([1, 2, 4, 8])),
    st.builds("{}*{}+{}+{}".format, st.sampled_from(_INDEXES), st.sampled_from([2, 4, 8]),
              st.sampled_from(_BASES), st.integers(0, 400)),
    st.builds("{}*{}-{}".format, st.sampled_from(_INDEXES), st.sampled_from([2, 4, 8]),
              st.integers(0, 400)),
    st.builds("table+{}+{}".format, st.sampled_from(_BASES), st.integers(0, 40)),
)  # fmt: skip
_places = st.one_of(
    st.builds("{}[{}]".format, st.sampled_from(["", "", "fs:"]), _addresses),
    st.builds("table[{}]".format, st.sampled_from(_BASES)),
    st.just("table"),
)
#: By size: how memory of it is written, and registers.
_SIZES = {
    "byte ptr ": "al cl dh bh".split(),
    "word ptr ": "ax cx si bp".split(),
    "dword ptr ": "eax ecx edx ebx esp ebp esi edi".split(),
}


def _operands(size: str) -> st.SearchStrategy[list[str]]:
    """One to three, most of them of one size."""
    registers = st.sampled_from(_SIZES[size])
    memory = st.builds("{}{}".format, st.sampled_from([size, size, ""]), _places)
    first = st.one_of(registers, registers, memory)
    other = st.one_of(registers, memory, _numbers, st.just("offset table+4"), st.sampled_from(_ANY))
    return st.builds(lambda a, rest: [a, *rest], first, st.lists(other, max_size=2))


_lines = st.builds(
    lambda name, operands: f"{name} {', '.join(operands)}",
    st.sampled_from(_INTEGER),
    st.sampled_from(sorted(_SIZES)).flatmap(_operands),
)


@needs_gnu
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(_lines, min_size=40, max_size=80))
def test_intel_lines_give_gnu_bytes(lines: list[str], tmp_path: Path) -> None:
    check(list(dict.fromkeys(lines)), tmp_path, INTEL)


_leaves = st.one_of(
    st.integers(0, 20).map(str), st.integers(0, 2**32 - 1).map(str),
    st.integers(0, 2**32 - 1).map(hex), st.integers(0, 2**20).map("0{:o}".format),
    st.sampled_from(["'a", "'\\n", "one", "many", "(b-a)", "(c-a)"]),
)  # fmt: skip
_OPERATORS = "+ - * / % & | ^ ! << >> == != <> < > <= >= && ||".split()
_expressions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds("{}{}{}".format, inner, st.sampled_from(_OPERATORS), inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(_OPERATORS), inner),
        st.builds("({})".format, inner),
        st.builds("{}{}".format, st.sampled_from(["-", "~", "!", "+"]), inner),
    ),
    max_leaves=8,
)
_HEAD = ".globl _start\n_start: nop\n.equ one, 1\n.equ many, 0x12345678\n.data\na: .long 0\nb: .byte 1\nc:\n"


#: What GNU as only warns of: each is a decision, because no program means it.
_DECIDED = ("division by zero", "shift")


def _refusal(expression: str) -> str:
    try:
        assemble_text(f"{_HEAD}.long {expression}\n")
    except AssemblyError as problem:
        return problem.message
    return ""


@needs_gnu
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(expressions=st.lists(_expressions, min_size=30, max_size=60))
def test_expressions_have_gnu_values(expressions: list[str], tmp_path: Path) -> None:
    source = tmp_path / "values.s"
    source.write_text(_HEAD + "".join(f".long {each}\n" for each in expressions))
    refused = refusals(source)
    first = _HEAD.count("\n") + 1
    theirs = [each for line, each in enumerate(expressions, first) if line not in refused]
    why = {each: _refusal(each) for each in expressions}
    assert {each: text for each, text in why.items() if not text and each not in theirs} == {}
    left = {each: why[each] for each in theirs if why[each]}
    assert {e: text for e, text in left.items() if not any(d in text for d in _DECIDED)} == {}
    theirs = [each for each in theirs if each not in left]
    source.write_text(_HEAD + "".join(f".long {each}\n" for each in theirs))
    thing, data = tmp_path / "values.o", tmp_path / "values.bin"
    subprocess.run(["as", "--32", str(source), "-o", str(thing)], check=True, capture_output=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".data", str(thing), str(data)], check=True)
    ours, gnu = assemble(source).section(".data").data[5:], data.read_bytes()[5:]
    wrong = [each for at, each in enumerate(theirs) if ours[4 * at :][:4] != gnu[4 * at :][:4]]
    assert wrong == []
