"""Thread-local storage and the GOT in static programs, rewritten and placed as GNU ld does it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from test_against_ld import assemble_gnu, compile_c, load, needs_gnu, same_as_ld

from userland.linker import LinkError, link

FIRST = """
__thread int a = 1; extern __thread int b; static __thread int c = 3; __thread char big[100];
__thread long long q __attribute__((aligned(32))) = 5;
extern __thread short h __attribute__((visibility("hidden")));
int g(int *);
int f(void) { return a + b + c + big[3] + (int)q + h + g(&a) + g(&c) + g(&b) + g((int *)&q); }
void set(int x) { a = x; b = x; c = x; h = x; big[x] = 1; c -= x; b -= a; }
void _start(void) { f(); set(3); for (;;) ; }
"""
SECOND = "__thread int b = 7; __thread short h; static __thread int z; int g(int *p) { return *p + ++z; }"
MODELS = ("global-dynamic", "local-dynamic", "initial-exec")


@needs_gnu
@pytest.mark.parametrize(("model", "pic"), list(product(MODELS, ("-fPIC", "-fno-pic"))))
def test_every_model_becomes_local_exec(tmp_path: Path, model: str, pic: str) -> None:
    for dialect, plt, level in (
        ("gnu", "-fplt", "-O2"),
        ("gnu", "-fno-plt", "-O0"),
        ("gnu2", "-fplt", "-O1"),
    ):
        flags = (level, pic, f"-ftls-model={model}", f"-mtls-dialect={dialect}", plt)
        objects = load(
            compile_c(tmp_path, "a", FIRST, *flags), compile_c(tmp_path, "b", SECOND, *flags)
        )
        same_as_ld(link(objects), tmp_path, "a.o", "b.o")


SOURCES = {
    "the forms of initial-exec": """
        movl x@INDNTPOFF, %eax
        movl x@INDNTPOFF, %ecx
        addl x@INDNTPOFF, %edx
        addl $_GLOBAL_OFFSET_TABLE_, %ebx
        movl x@GOTNTPOFF(%ebx), %eax
        addl x@GOTNTPOFF(%ebx), %esi
        subl x@GOTTPOFF(%ebx), %edi
        movl x@GOTTPOFF(%ebx), %eax
        addl x@GOTTPOFF(%ebx), %eax
        movl $x@TPOFF, %eax
        leal x@NTPOFF(%ecx), %eax
    """,
    "descriptors": """
        leal x@TLSDESC(%ebx), %eax
        nop
        call *x@TLSCALL(%eax)
        leal x@TLSDESC(%ebx), %eax
        call *x@TLSCALL(%eax)
    """,
    "calls of the resolver": """
        leal x@TLSGD(,%ebx,1), %eax
        call ___tls_get_addr@PLT
        leal x@TLSGD(%ebx), %eax
        call ___tls_get_addr@PLT
        nop
        leal x@TLSLDM(%ebx), %eax
        call ___tls_get_addr@PLT
        leal x@DTPOFF(%eax), %edx
        leal x@TLSGD(%ecx), %eax
        call *___tls_get_addr@GOT(%ecx)
        leal x@TLSLDM(%ecx), %eax
        call *___tls_get_addr@GOT(%ecx)
    """,
    "distances from the GOT alone": "leal here@GOTOFF(%ebx), %eax\nhere: nop\n.data\n.balign 16\n.long 1\n",
    "the GOT and no data": "addl $_GLOBAL_OFFSET_TABLE_, %ebx\n",
    "the GOT and constants": "addl $_GLOBAL_OFFSET_TABLE_, %ebx\n.section .rodata\n.long 1\n",
    "the GOT and unwind tables": ".cfi_startproc\naddl $_GLOBAL_OFFSET_TABLE_, %ebx\n.cfi_endproc\n",
    "a writable exception table": 'nop\n.section .gcc_except_table,"aw"\n.byte 2\n',
    "sizes of symbols": "movl $x@SIZE, %eax\nmovl x@SIZE+4, %ecx\n",
}


@needs_gnu
@pytest.mark.parametrize("name", sorted(SOURCES))
@pytest.mark.parametrize("empty", [False, True])
def test_program_is_that_of_ld(tmp_path: Path, name: str, empty: bool) -> None:
    """`empty`: the template of the block has no bytes in the file."""
    block = (
        '.section .tbss,"awT",@nobits\n.skip 8' if empty else '.section .tdata,"awT"\n.long 1, 2'
    )
    block += "\n.globl x\n.type x, @object\n.size x, 4\nx: .skip 4\n.skip 5\n"
    used = block if "x@" in SOURCES[name] else ""
    source = f".globl _start\n_start: nop\n{SOURCES[name]}\n{used}"
    same_as_ld(link(load(assemble_gnu(tmp_path, "a", source))), tmp_path, "a.o")


@needs_gnu
def test_a_descriptor_through_another_register_is_refused(tmp_path: Path) -> None:
    source = (
        '.globl _start\n_start: leal x@TLSDESC(%ecx), %eax\n.section .tdata,"awT"\nx: .long 1\n'
    )
    with pytest.raises(LinkError, match=r"in \.text at 0x2 is none that a compiler writes"):
        link(load(assemble_gnu(tmp_path, "a", source)))
