"""What an object holds beside its bytes: symbols that relocations name, weak and versioned names, commons."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from gnu_objects import same_object
from gnu_toolchain import needs_gnu

from userland.assembler import AssemblyError, assemble, assemble_object
from userland.linker import link, read_object

SOURCES = {
    "globals": r"""
 .globl f,d,h
 .hidden h
f: call f
 call f@PLT
 call loc@PLT
 jmp f
 jmp f@PLT
 jne f
 loop f
 call h
h: movl $f,%eax
 movl $f+4,%eax
 .long f-., f, loc-., h
 .long . - f
 .byte f-.
 movl f@GOT(%ebx),%eax
 movl loc@GOTOFF(%ebx),%eax
 movl loc@GOT(%ebx),%eax
 movl .Lx@GOTOFF(%ebx),%eax
 movl 8+f@GOTOFF(%ebx),%eax
 movl 8+loc@GOTOFF(%ebx),%eax
loc: nop
.Lx: nop
.set al, ext
.set al2, ext+4
.long al, al2, ext
call al
 .globl al3
.set al3, f
.long al3
.set al4, f
.long al4
 .globl al5
.set al5, loc
 .long al5
 .set al6, loc
 .long al6
movl dloc,%eax
movl d+4,%eax
 .data
d: .long 0
dloc: .long loc, f-., loc-.
 .section .rodata.str,"aMS",@progbits,1
s: .string "abc"
 .text
 .long s+1,s
 .section .grp,"axG",@progbits,sig,comdat
sig: nop
 call sig
""",
    "weakref": r"""
 .weakref a,b
 .weakref c,d
 .weakref e,f
 .weakref un,unused
 .weakref w2, a
 .globl _start
_start: call a
 call c
 call d
 movl $a+4,%eax
 .long w2, e
f: nop
 .long g@GOT
""",
    "symver": r"""
 .globl foo_impl, foo2
 .symver foo_impl, foo@@V1
 .symver foo2, foo@V0
 .symver undef, bar@V1
 .symver unused, none@V1
 .symver loc, baz@V1
 .symver un3, qux@@@V1
 .symver def3, quux@@@V1
 .globl def3
foo_impl: nop
foo2: nop
loc: nop
def3: nop
call undef
call foo_impl
call loc
call un3
""",
    "commons": r"""
 .comm s1,1
 .comm s2,2
 .comm s3,3
 .comm s4,4
 .comm s5,5
 .comm s8,8
 .comm s9,9
 .comm s16,16
 .comm s17,17
 .comm s31,31
 .comm s32,32
 .comm s33,33
 .comm s64,64
 .comm s4096,4096
""",
    "thread local": r"""
movl $x@ntpoff,%eax
subl $x@tpoff,%eax
movl x@indntpoff,%eax
movl x@gotntpoff(%ebx),%eax
subl x@gottpoff(%ebx),%eax
leal x@tlsgd(,%ebx,1),%eax
leal x@tlsldm(%ebx),%eax
leal l@dtpoff(%eax),%eax
leal x@tlsdesc(%ebx),%eax
movl %gs:out@ntpoff,%eax
movl $x@size,%eax
movl $l@size+4,%eax
.section .tdata,"awT",@progbits
.globl x
x: .long 5
.size x,4
l: .long 6
.size l,4
""",
    "absolute": r"""
.long 0x1234-.
call 0x1234
jmp 0x1234
.globl start
.set start, 5
jne start
call start
""",
    "mentioned": r"""
.set count, there + 4
.set known, there
nop
""",
    "struct": r"""
.struct 0
first: .skip 4
second: .skip 2
third:
.struct third + 10
fourth: .long 0
size = .
.text
movl second(%ebx), %eax
movl $size, %ecx
.long third, fourth, third - first
""",
    "assigned once": "one == 1\ntwo==one+1\n.long one, two\n.if two == 2\nnop\n.endif\n",
    "frames with segments": ".cfi_startproc\n.cfi_undefined es\n.cfi_undefined mxcsr\nnop\n.cfi_endproc\n",
    "indirect function": ".globl f\n.type f, @gnu_indirect_function\nf: ret\n.long f\njmp f\njne f\n"
    "call f\n.section .got\n.long 0\n",
    "frames for debuggers": """ .cfi_sections .debug_frame, .eh_frame
 .text
 .globl f
f: .cfi_startproc
 pushl %ebp
 .cfi_def_cfa_offset 8
 .cfi_offset 5, -8
 ret
 .cfi_endproc
g: .cfi_startproc simple
 .cfi_signal_frame
 nop
 .cfi_def_cfa 4, 4
 .space 300
 .cfi_undefined 8
 .cfi_endproc
h: .cfi_startproc
 .cfi_lsda 0x1b, g
 nop
 .cfi_endproc
i: .cfi_startproc
 .cfi_personality 0x9b, f
 .cfi_return_column 9
 nop
 .cfi_endproc
k: .cfi_startproc
 .cfi_personality 0x9b, f
 nop
 .cfi_endproc
 .cfi_sections .debug_frame
""",
    "asked relocations": """.text
nop
lab: .long 0x100
l2: .long 0
l3: .long 0, 0,0,0
.reloc lab, R_386_32, foo+8
.reloc l2, R_386_PC32, lab
.reloc ., R_386_NONE, foo
.reloc l3, R_386_32, lab+2
.reloc l3+4, R_386_16, 77
.reloc 20, R_386_PC8, ext-4
.reloc l3+12, R_386_GOTOFF, lab
.reloc ., BFD_RELOC_32, foo
.reloc ., BFD_RELOC_NONE
.reloc ., R_386_GOT32, foo
.long 0
.data
foo: .long 0
.globl gl
gl: .long 0
.reloc foo, R_386_32, gl+4
.reloc foo, R_386_NONE
.reloc gl, R_386_JUMP_SLOT, gl
""",
    "asked relocations of labels": """.text
.globl glob
_start: nop
.Ll: .long 0
1: .long 0
.reloc .Ll, R_386_32, 1b+4
.reloc 1b, R_386_32, .Ll
.long 0
.reloc .-4, R_386_32, .+1
.long 0
.reloc .-4, r_386_pc32, .Ll+1
glob: .long 5
.reloc glob, R_386_32, glob+1
.reloc glob+1, R_386_PC8, glob+1
.long 0
.reloc .-4, R_386_32, ext+1
.long 0
.reloc .-4, R_386_PC32, ext-4
.set abs, 5
.long 0
.reloc .-4, R_386_32, abs
.long 0
.reloc .-4, R_386_32, abs+1
.weak wk
.long 0
.reloc .-4, R_386_32, wk+2
.reloc 3f, R_386_GOT32, wk
3: .long 0
.reloc 3b, R_386_GOTPC, _GLOBAL_OFFSET_TABLE_
.section .debug_x
.long 0
.reloc 0, R_386_32, glob
""",
    "out of a repetition": r"""
_start:
 .irp x,1,2,3
 .if \x == 2
 .exitm
 .endif
 .byte \x
 .endr
 .byte 9
 .rept 3
 .byte 7
 .exitm
 .byte 8
 .endr
 .macro m a
 .irp x, \a, 5
 .byte \x
 .exitm
 .endr
 .byte 0x33
 .exitm
 .byte 0x44
 .endm
 m 1
 .irp y, 6, 7
 m \y
 .byte \y+0x50
 .endr
 .irpc c, 123
 .rept 2
 .byte \c
 .exitm
 .endr
 .byte 0xee
 .endr
 .byte 0xff
""",
    "version notes": """.version "1"
nop
.version "a b c d"
.section .note,"",@note
.long 1
.text
hlt
""",
    "far pointers": """.intel_syntax noprefix
.code16
jmp far ptr [bx]
call far ptr [bx]
jmp far ptr 1:2
jmp dword ptr [bx]
.code32
 call far ptr foo[eax*4]
jmp FAR PTR es:[eax]
foo:
""",
    "older cpus": ".arch i486\nnop\n.p2align 4\n.arch .sse2\nnop\n.p2align 3\n",
}


@needs_gnu
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_object_is_that_of_gnu(name: str, tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text(SOURCES[name])
    same_object(source, tmp_path)


@needs_gnu
def test_a_version_links_as_with_ld(tmp_path: Path) -> None:
    library, main = tmp_path / "library.s", tmp_path / "main.s"
    library.write_text(
        ".globl first, second\n.symver first, f@@V2\n.symver second, f@V1\nfirst: nop\nsecond: nop\n"
    )
    main.write_text('.globl _start\n_start: call f\ncall "f@V1"\ncall "f@V2"\ncall "f@@V2"\n')
    objects = []
    for source in (main, library):
        made = assemble_object(source).elf()
        source.with_suffix(".o").write_bytes(made)
        objects.append(read_object(made, source.name))
    subprocess.run(
        ["ld", "-m", "elf_i386", "main.o", "library.o", "-o", "gnu"], cwd=tmp_path, check=True
    )
    theirs = (tmp_path / "gnu").read_bytes()
    (text,) = link(objects).program.sections
    assert text.data in theirs


def test_a_weak_reference_that_nobody_answers_is_zero(tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text(
        ".weakref hook, absent\n.globl _start\n_start: movl $hook, %eax\n"
        "testl %eax, %eax\njz 1f\ncall hook\n1: nop\n"
    )
    program = assemble(source)
    assert program.sections[0].data[:5] == b"\xb8\0\0\0\0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: nop\n.weakref a, b\n", "symbol `a' is already defined"),
        (".weakref a, a\n.long a\n", "symbol `a' is defined by itself"),
        (".symver a, b\n", "`.symver' takes NAME, NAME@VERSION"),
        (".intel_syntax noprefix\njmp far ptr a\na:\n", "`far ptr a' does not say which segment"),
        (".reloc 0, R_386_64, a\n", "`R_386_64' is no relocation of i386"),
        (".long 0\n.reloc 1, R_386_32, a\n", "the relocation is not within the section"),
        (".reloc a, R_386_32, b\n", "the place of a relocation is a label, or a number of bytes"),
    ],
)
def test_what_is_refused_is_said(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.s").write_text(text)
    with pytest.raises(AssemblyError) as caught:
        assemble_object(tmp_path / "x.s")
    assert message in caught.value.message


def test_what_a_linker_will_add_is_no_mistake_beside_another(tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text("call printf\nmovl %al, %ebx\n")
    with pytest.raises(AssemblyError) as caught:
        assemble_object(source)
    assert caught.value.line == 2
    assert caught.value.more == ()


def test_frames_for_debuggers_only_are_not_loaded(tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text(
        ".cfi_sections .debug_frame\n.globl _start\n_start: .cfi_startproc\nnop\n.cfi_endproc\n"
    )
    assert [section.name for section in assemble(source).sections] == [".text"]
