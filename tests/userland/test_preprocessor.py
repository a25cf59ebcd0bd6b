"""The preprocessor for `.S` sources: gcc's own is the oracle, where there is one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from userland.assembler import AssemblyError, assemble
from userland.assembler.cpp import preprocess, uses_preprocessor
from userland.assembler.cpp.choose import installed_cpp
from userland.assembler.source import split_statements

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc is not installed: nothing to compare with")


def own(text: str, path: Path | None = None, **more: object) -> str:
    return preprocess(text, "t.S", path, **more)  # type: ignore[arg-type]


def statements(text: str) -> list[tuple[str, str, int]]:
    """(text without white space, file, line): cpp is free to place spaces."""
    found = split_statements(text, "t.S")
    return [
        (re.sub(r"\s+", "", s.text), s.location.file, s.location.line)
        for s in found
        if re.sub(r"\s+", "", s.text)
    ]


def same_as_gcc(text: str, **more: object) -> None:
    theirs = preprocess(text, "t.S", None, command=[GCC or "", "-E"], **more)  # type: ignore[arg-type]
    assert statements(own(text, **more)) == statements(theirs)


SOURCES = {
    "object-like": "#define N 5\nmovl $N, %eax\nmovl N(%ebx), %ecx\n.long N, NN, N.x\n",
    "function-like": "#define ADD(a,b) ((a)+(b))\n.long ADD(1, ADD(2,3)), ADD\n",
    "over lines": "#define LOAD(r, v) \\\n  movl $v, r ; \\\n  nop\nLOAD(%eax,\n  7)\nend: nop\n",
    "paste": "#define CAT(a,b) a##b\n#define X(n) CAT(lab, n):\nX(1) nop\nCAT(,x) CAT(x,) CAT(,)\n",
    "stringify": '#define S(x) #x\n.ascii S(a  b), S("q\\n"), S( %eax )\n',
    "hash in asm": "#define C(x) mov x, y # x\nC(1)\n# a comment: don't\nnop # if this\n",
    "recursion": "#define f(x) f(x+1) g\n#define g f(2) h\n.long f(1)\n.long g\n",
    "variadic": '#define E(f, ...) .ascii f, ##__VA_ARGS__\nE("a")\nE("b", 1, 2)\n',
    "conditions": "#define A 3\n#if A > 2 && !defined(B)\na: nop\n#elif 1/0\nb: nop\n#else\nc: nop\n"
    "#endif\n#ifndef B\nd: nop\n#else\ne: nop\n#endif\n",
    "nested off": "#if 0\n#if 1\na:\n#else\nb:\n#endif\n#error no\n# words that are no directive\n"
    "#else\nc:\n#endif\n",
    "unsigned": "#if -1 > 0u\nyes:\n#endif\n#if -1 > 0\nno:\n#endif\n#if (2 || 1/0) && 'a' == 97\ny2:\n"
    "#endif\n#if -7 / 2 == -3 && -7 % 2 == -1 && 1 << 63 < 0\ny3:\n#endif\n",
    "comments": 'a: /* one\ntwo */ nop // rest\n.ascii "/* no */ // no"\nb: nop\n',
    "undef": "#define X 1\n#undef X\n.long X\n#define X 2\n.long X\n",
    "line": '#line 40 "other.S"\nnop\n.long __LINE__\n',
    "predefined": "#ifdef __ASSEMBLER__\na:\n#endif\n.long __i386__ linux\n.ascii __FILE__\n",
    "dollar": "#define N 4\nmovl $N, %eax\n.long N$N\n.set a.N, N\n1: jmp 1b\n",
}


@needs_gcc
@pytest.mark.parametrize("name", SOURCES)
def test_gcc_says_the_same(name: str) -> None:
    same_as_gcc(SOURCES[name])


_names = st.sampled_from(["A", "B", "F", "G", "x", "y"])
_atom = st.one_of(
    _names, st.sampled_from(["1", "0x10", "F(1)", "F(x, y)", "G(A)", "G(G)", "(", ")", ",", "F ("])
)
_body = st.lists(
    st.one_of(_atom, st.sampled_from(["+", "- ", "%eax", "$", "##", "#x"])), max_size=6
).map(" ".join)
_condition = st.lists(
    st.sampled_from(["1", "0", "A", "defined A", "defined(B)", "2", "-1", "3u", "0x7"]),
    min_size=1,
    max_size=4,
).flatmap(
    lambda parts: st.lists(
        st.sampled_from([" && ", " || ", " + ", " < ", " == ", " - ", " | ", " << ", " * "]),
        min_size=len(parts) - 1,
        max_size=len(parts) - 1,
    ).map(lambda ops: parts[0] + "".join(o + p for o, p in zip(ops, parts[1:], strict=True)))
)
_line = st.one_of(
    st.tuples(_names, _body).map(lambda t: f"#define {t[0]} {t[1]}"),
    _body.map(lambda b: f"#define F(x, y) {b}"),
    _body.map(lambda b: f"#define G(x) {b}"),
    _names.map(lambda n: f"#undef {n}"),
    _body.map(lambda b: f"\t.long {b}"),
    _condition.map(lambda c: f"#if {c}"),
    st.sampled_from(
        ["#ifdef A", "#ifndef B", "#else", "#endif", "#endif", "# comment", "lab: nop"]
    ),
)


@needs_gcc
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(_line, min_size=1, max_size=14))
def test_gcc_says_the_same_of_random_sources(lines: list[str]) -> None:
    text = "\n".join([*lines, ".long A, B, F(1, 2), G(3)"]) + "\n"
    try:
        theirs = preprocess(text, "t.S", None, command=[GCC or "", "-E"])
    except AssemblyError as refused:
        if "in the middle" in refused.message or "pedantic" in refused.message:
            return
        with pytest.raises(AssemblyError):
            own(text)
        return
    assert statements(own(text)) == statements(theirs)


def test_includes_are_found_beside_the_source_then_by_folder(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    (tmp_path / "a.h").write_text('#define HERE 1\n#include "b.h"\n')
    (tmp_path / "inc" / "b.h").write_text("#pragma once\n.long 7\n")
    source = tmp_path / "p.S"
    text = '#include "a.h"\n#include <b.h>\n.long HERE\n'
    out = preprocess(text, str(source), source, include=[tmp_path / "inc"])
    assert statements(out) == [
        (".long7", str(tmp_path / "inc" / "b.h"), 2),
        (".long1", str(source), 3),
    ]


def test_numbers_of_system_calls_need_no_installed_headers(tmp_path: Path) -> None:
    source = tmp_path / "p.S"
    source.write_text(
        "#include <sys/syscall.h>\n.globl _start\n_start: movl $SYS_exit, %eax\n"
        "movl $__NR_getpid, %ebx\nint $0x80\n"
    )
    text = next(s for s in assemble(source).sections if s.name == ".text").data
    assert text == b"\xb8\x01\0\0\0\xbb\x14\0\0\0\xcd\x80"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("nop\n#error too old\n", 2, "#error too old"),
        ("nop\n#if 1\n", 2, "`#if' without `#endif'"),
        ("#endif\n", 1, "`#endif' without `#if'"),
        ("#if 1\n#else\n#else\n#endif\n", 3, "`#else' after `#else'"),
        ('#include "none.h"\n', 1, "cannot find `none.h'"),
        ("#define F(a,b) a\nF(1)\n", 2, "macro `F' takes 2 arguments, not 1"),
        ("#define F(a) a\nF(1\n", 2, "the call of macro `F' is never closed"),
        ("#if 1/0\n#endif\n", 1, "division by zero in the expression of `#if'"),
        ("/* a\nb\n", 1, "comment `/*' is never closed"),
        ('#include "t.S"\n', 1, "cannot find `t.S'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        own(text)
    assert (caught.value.line, caught.value.message) == (line, said)


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    source = tmp_path / "p.S"
    source.write_text('#include "p.S"\n')
    with pytest.raises(AssemblyError, match="nested too deeply"):
        assemble(source)


@needs_gcc
def test_the_installed_one_gives_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "p.S"
    source.write_text("nop\n#error too old\n")
    with pytest.raises(AssemblyError) as caught:
        assemble(source, cpp=installed_cpp(os.environ) or ())
    assert (caught.value.file, caught.value.line) == (str(source), 2)
    assert "too old" in caught.value.message


def test_only_a_certain_directive_in_a_big_s_calls_for_it() -> None:
    assert uses_preprocessor("p.S", "nop\n#define A 1\n")
    assert uses_preprocessor("p.S", "nop\n  #if 0\n")
    assert not uses_preprocessor("p.s", "#define A 1\n")
    assert not uses_preprocessor("p.S", "# if the child is first\n#iffy\n#definitely\n")


def test_a_branch_that_is_off_is_not_assembled(tmp_path: Path) -> None:
    source = tmp_path / "p.S"
    source.write_text(".globl _start\n_start: nop\n#if 0\nhlt\n#else\ncli\n#endif\n")
    text = next(s for s in assemble(source).sections if s.name == ".text").data
    assert text == b"\x90\xfa"
