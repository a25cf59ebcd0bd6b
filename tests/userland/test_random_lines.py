"""Random and chosen lines beside GNU as: each takes what the other takes, with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from gnu_objects import same_object
from gnu_toolchain import needs_gnu, refusals
from random_lines import RandomLines
from test_sixteen_bits import both_take

#: GNU as takes a string instruction through any register, and then means the usual ones after all.
THROUGH = ("movs", "cmps", "stos", "lods", "scas", "xlat", "movsd")

INTEL = """
loop dword ptr sym; jecxz word ptr sym; jne dword ptr sym; jmp short sym; jmp near ptr sym
call near ptr sym; jmp dword ptr sym; jmp word ptr sym; mov eax, 10h; mov eax, 4+offset sym
movs byte ptr es:[edi], byte ptr ds:[esi]; lods dword ptr [esi]; stos word ptr [edi]; mov [eax], 5
fld [eax]; fadd [eax]; fild word ptr [eax]; fistp tbyte ptr [eax]; fldcw dword ptr [eax]; fbld [eax]
ldmxcsr [eax]; ldmxcsr qword ptr [eax]; lgdt fword ptr [eax]; lgdt dword ptr [eax]; fxsave byte ptr [eax]
clflush tbyte ptr [eax]; cmpxchg8b qword ptr [eax]; cmpxchg8b dword ptr [eax]; les ax, dword ptr [eax]
les eax, fword ptr [eax]; les eax, dword ptr [eax]; bound eax, qword ptr [eax]; lar eax, word ptr [eax]
lar eax, dword ptr [eax]; psubq mm2, xmmword ptr [eax]; psubq mm2, qword ptr [eax]
punpcklbw mm2, dword ptr [eax]; punpcklbw mm2, qword ptr [eax]; cvtdq2pd xmm1, qword ptr [eax]
cvtdq2pd xmm1, xmmword ptr [eax]; cvtps2pi mm1, qword ptr [eax]; cvttsd2si ecx, dword ptr [eax]
movzx dx, di; movsx cx, si; movzx eax, eax; div al, bl; div eax, [ecx]; idiv ax, di; div eax, cx
data16 neg [eax]; lcall 7; ljmp sym; cs verw cs:[ebx]; test esi, sym2-sym1; mov eax, sym2-sym1+4
sym1: nop; sym2: nop
"""
ATT = """
fldl %st(3); fstpl %st(3); fcoml %st(2); faddl %st(3); div %bl, %al; divl (%esi), %eax; div %cx, %eax
mul %bl, %al; in $4; out $4; in %dx; in (%dx); stos; movs; rep stos; call 4(%edx); jmp (%eax)
lcall 4(%eax); jmp foo(,%eax,4); movzx %di, %dx; movsx %ax, %ax; movsx %al, %al; shrb $0x1234, %al
shl $300, %eax; data16 xor $65536, (%esp); data16 xorl $65536, (%esp); data16 push $500; data16 pushl $500
data16 mov $5, %eax; data16 bts %bx, %si; data16 movl %ax, (%eax); data16 movsl; data16 ret
data16 sarl $4, %gs:(%esp); data16 fs movsl; addr16 data16 movsl; addr16 mov (%eax), %ebx
addr16 mov 4, %eax; addr16 mov (%si), %eax; notrack imul %bl; notrack call *%eax; notrack ljmp *(%eax)
cs movl %gs:4, %eax; fs decw %fs:4(%eax); fdivp %st(5), %st; faddp %st(5), %st; fdivp %st, %st(5)
insl (%edi); insb %dx, (%edi); outsb (%esi); inb $4, $5; out %ax, $5; smsw (%si); sldt (%si); str (%bx)
ret $-1; ret $65536; retf; retf $8
"""


@needs_gnu
@pytest.mark.parametrize("intel", [False, True], ids=["AT&T", "Intel"])
def test_random_lines_give_gnu_objects(intel: bool, tmp_path: Path) -> None:
    made = RandomLines(2, intel)
    mode = ".intel_syntax noprefix;known = 5" if intel else "known = 5"
    source = tmp_path / "x.s"
    more = [made.line() for _ in range(2000)]
    source.write_text("\n".join([mode, *more]) + "\n")
    wrong = refusals(source)
    right = [line for number, line in enumerate(more, 2) if number not in wrong]
    lines = [
        made.line() for _ in range(200)
    ]  # and of these each wrong one by itself, which takes its time
    text, left = both_take(mode, lines + right, tmp_path)
    assert [line for line in left if not any(word in line for word in THROUGH)] == []
    assert len(left) < 10
    assert text.count("\n") > 200
    source.write_text(text)
    same_object(source, tmp_path)


@needs_gnu
@pytest.mark.parametrize(("mode", "chosen"), [("", ATT), (".intel_syntax noprefix", INTEL)])
def test_chosen_lines_give_gnu_objects(mode: str, chosen: str, tmp_path: Path) -> None:
    lines = [line.strip() for line in chosen.replace("\n", ";").split(";") if line.strip()]
    text, left = both_take(mode, lines, tmp_path)
    assert left == []
    (tmp_path / "x.s").write_text(text)
    same_object(tmp_path / "x.s", tmp_path)
