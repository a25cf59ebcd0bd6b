"""Corners of GNU as that sources from the wild go through: each must give the very object that it gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from gnu_objects import same_object
from gnu_toolchain import needs_gnu

from userland.assembler import assemble_object
from userland.assembler.assembler import Assembler

CORNERS: dict[str, str] = {
    "symbols that change": """
        .set alias, later
        .long later
        later = 1
        .long alias, later
        later = 2
        .long alias, later
        .set moving, here
        here: .long moving
        .set moving, elsewhere
        .long moving
        moving: .long moving
        .set room, 5
        .long room
        .comm room, 8
        .long room
    """,
    "symbols that are evaluated at every use": """
        .equiv twice, 2*one
        .equ one, 1
        .eqv four, 4*one
        .if twice > one
        .byte one, twice, four
        .endif
        .equ one, -1
        .byte one, twice, four
        .if four < one
        .byte 9
        .endif
    """,
    "another name of what is not defined": """
        .globl x, z
        x = y
        x = x + 1
        .long x
        z = 1
        z = z + y
        .long z
    """,
    "comparisons of what is not defined": """
        .if x <> x
        .err
        .endif
        .equiv y, x + 1
        .if y - 1 <> x
        .err
        .elseif 1
        .byte 1
        .endc
        .if 0
        .elsec
        .byte 2
        .endc
    """,
    "registers under other names": """
        .equ r, %ecx
        .equ s, %fs
        testl r, r
        movl s:(r,r,4), r
        .equ top, %st(1)
        fadd top
        .if r <> %ecx
        .err
        .endif
        .if r == s
        .err
        .endif
        .intel_syntax noprefix
        .equ r, edx
        mov r, [r+r*8]
        .equ sum, edx + 4
        mov eax, [sum]
        .if s <> fs
        .err
        .endif
        .equ r, 7
        mov eax, r
    """,
    "AT&T without percent signs": """
        .att_syntax noprefix
        mov $5, eax
        mov fs, ss:1234(ecx,eax,4)
        jmp es:*(ebx)
        fxch st(1)
        add cl, (esi)
        .att_syntax prefix
        mov $5, %eax
    """,
    "blanks everywhere": """
        .TeXt
        mov % al , ( % ebx )
        mOvl $ 123 , 4567
        foo: jmp * % eax
        jmpw % es : * ( % ebx )
        mov ( 0x8 * 0Xa ) , % al
        fxch   %st  (  1  )
    """,
    "the register cl beside memory": "mov %cl, x\nadd %cl, x\nmov x, %cl\nshlb %cl, x\n",
    "addresses without registers": "movl %ecx, (,1)\nmovl 4(%ecx,1), %eax\nmovl (%ebx,4), %eax\n",
    "brackets that group": "addl $_GLOBAL_OFFSET_TABLE_+[.-a], %eax\na: leal 4*[1+2](%eax), %ebx\n",
    "distances to the GOT": "addl $(_GLOBAL_OFFSET_TABLE_ - .), %eax\n.long _GLOBAL_OFFSET_TABLE_ - .\n",
    "old spellings of encodings": """
        mov.d8 (%eax), %ebx
        mov.d32 3(%eax), %ebx
        mov.s %ecx, %edx
        jmp.d32 foo
        foo: movsxb (%eax), %dx
        movzxw (%eax), %edx
        movsxw %ax, %ebx
    """,
    "prefixes of what waits": "addr16 fstcw %es:(%si)\naddr16 rep cmpsw %es:(%di),%ss:(%si)\n",
    "far calls in Intel's way": """
        .intel_syntax noprefix
        call 0x8:main
        jmp 0x8, 0x1234
        ljmp 0x8:main
        lcall 8, main
        jmp $+2
        jecxz 2+$
        mov eax, flat:[main]
        main: ret
    """,
    "thread-local descriptors": "leal x@tlsdesc(%ebx), %eax\ncall *x@tlscall(%eax)\n",
    "indirect functions": """
        .long chosen-., chosen-start
        start: jmp chosen@PLT
        jmp plain@PLT
        jmp after@PLT
        .type chosen, @gnu_indirect_function
        chosen: ret
        plain: ret
        .skip 200
        after: ret
    """,
    "absolute numbers that come later": """
        .globl there
        mov there - number, %eax
        there: jmp there - number
        mov number - 4, %ecx
        number = 0x9876
    """,
    "a section's own symbol": ".long .text, .text + 4, .data\n.data\n.byte 1\n",
    "long numbers": ".octa ~0x112233445566778899aabbcc0000, -347510587133311339321256747728896, +5\n",
    "lengths that bounce": """
        .byte 1, 2, 3
        .uleb128 2f - 1f
        1: .skip 128 - 2
        .byte 4
        .p2align 1, 0xff
        2: .byte 5
        .p2align 2
        .byte 6, 7
        .uleb128 4f - 3f
        3: .skip 128*128 - 2
        .byte 8
        .p2align 2, 0xff
        4: .byte 9
    """,
    "a fill that depends on jumps": "2: nop\njmp 3f\njmp 4f\n.fill 0x18 - (. - 2b)\n3:\n4: nop\n",
    "frames in two subsections": """
        .cfi_startproc simple
        .subsection 3
        .cfi_startproc simple
        .long 0
        .cfi_def_cfa 0, 16
        .previous
        .long 0
        .cfi_remember_state
        .subsection 3
        .long 0
        .cfi_adjust_cfa_offset -16
        .previous
        .long 0
        .cfi_restore_state
        .cfi_endproc
        .subsection 3
        .cfi_endproc
        .previous
        .cfi_startproc
        .cfi_personality 3, helper
        .cfi_lsda 12, 0xdeadbeef
        .cfi_undefined k3
        .cfi_endproc
        helper: nop
    """,
    "what older coprocessors had": """
        .arch .287
        fnsetpm; fsetpm; frstpm
        .arch .8087
        feni; fneni; fdisi; fndisi
    """,
    "alternate macros": """
        .macro quoted text
        .ascii "&text"
        .endm
        quoted <!>!<!!>
        .altmacro
        .macro load x=%1+1
        mov $\\x, %eax
        .endm
        load 1
        load
        .macro register x=<%ebx>
        mov \\x, %eax
        mov %ecx, \\x
        .endm
        register
        register <%edx>
        .macro both a, b=%4*4
        .long a, b
        .ascii "<&a>"
        .endm
        both %7-2
        both <(1 + 2)>, %1
        quoted <!>!<!!>
        .macro letter c
        mov \\c, %al
        .endm
        letter $'c
    """,
    "blanks around what a parameter must be": """
        .macro list first : req, others : vararg
        .long \\first
        .ifnb \\others
        list \\others
        .endif
        .endm
        list 1, 2, 3
    """,
    "a blank as a character": "mov $' , %al\nmov $'\\n , %al\n.byte ' \n",
    "the assembler's version": ".if .gasversion. < 21500\n.err\n.endif\nnop\n",
    "another name of a function": """
        .type f, @function
        f: ret
        .globl g, h
        .set g, f
        h = f + 1
        .section .init_array,"aw"
        .long f
        .section .fini_array.5,"aw",@fini_array
        .long g
    """,
    "a weak reference to what is global": ".globl there\n.weakref here, there\n.long here\n",
}


@needs_gnu
@pytest.mark.parametrize("name", sorted(CORNERS))
def test_corner_gives_gnu_object(name: str, tmp_path: Path) -> None:
    source = tmp_path / "corner.s"
    source.write_text(CORNERS[name])
    same_object(source, tmp_path)


@needs_gnu
@pytest.mark.parametrize("cpu", ["i386", "i686", "pentium4", "k6", "core2", ".nop", ".nosse"])
def test_code_is_padded_as_the_cpu_likes_it(cpu: str, tmp_path: Path) -> None:
    source = tmp_path / "padded.s"
    sizes = (*range(1, 24), 76, 77, 78, 86, 87, 88, 100)
    pads = "".join(f".p2align 7\n.skip 128 - {size}, 0xcc\n.p2align 7\n" for size in sizes)
    source.write_text(f".arch push\n.arch {cpu}\n{pads}.arch pop\n.byte 1\n.p2align 5\n")
    same_object(source, tmp_path)


def test_a_stray_end_of_a_block_is_said(tmp_path: Path) -> None:
    source = tmp_path / "stray.s"
    source.write_text("nop\n.endm\nmovl (%ebx,4), %eax\n.endr\n")
    assembler = Assembler((), {}, "stray.s")
    assembler.reader.open_text(source.read_text(), "stray.s", source)
    assembler.run()
    assert [warning.split(": ", 1)[0] for warning in assembler.warnings] == [
        "stray.s:2", "stray.s:3", "stray.s:4",
    ]  # fmt: skip
    assert assemble_object(source).sections[0].data == bytes.fromhex("908b03")


def test_what_clang_says_to_its_own_linker_is_passed_over(tmp_path: Path) -> None:
    source = tmp_path / "clang.s"
    source.write_text(".globl f\nf: ret\n")
    plain = assemble_object(source).elf()
    source.write_text(".globl f\nf: ret\n\t.addrsig\n\t.addrsig_sym f\n")
    assert assemble_object(source).elf() == plain
