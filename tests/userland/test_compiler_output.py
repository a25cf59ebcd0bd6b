"""What gcc writes, assembled here and by GNU as, and both linked by GNU ld: the same bytes."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from gnu_toolchain import needs_gnu

from userland.assembler import AssemblyError, assemble, assemble_object, assemble_text

needs_gcc = pytest.mark.skipif(
    not (shutil.which("gcc") and shutil.which("as") and shutil.which("ld")),
    reason="gcc or GNU binutils are not installed: compiler output is NOT tested",
)

SOURCE = r"""
struct node { int value; struct node *next; };
static struct node pool[16]; static int used; int counter = 3; static char *names[] = {"one", "two", "o"};
double scale = 1.5; float bias = 2.25f; static long long big = 0x123456789abcdefLL; unsigned char room[100];
__attribute__((weak)) int hook(int x) { return x + 1; }
__attribute__((visibility("hidden"), noinline))
int factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }
static unsigned length(const char *s) { unsigned n = 0; while (s[n]) n++; return n; }
int choose(int x) {
  switch (x) { case 0: return 5; case 1: return hook(9); case 2: return 77; case 3: return counter;
               case 4: return factorial(x); case 5: return 1; }
  return -1;
}
struct node *push(struct node *head, int v) {
  struct node *n = &pool[used++]; n->value = v; n->next = head; return n;
}
unsigned mix(unsigned a, unsigned b) { a ^= b << 13; a = a >> 7 | a << 25;
  return a * 2654435761u + b / 7 - b % 10; }
double sum(const double *p, int n) { double s = 0; for (int i = 0; i < n; i++) s += p[i] * scale;
  return s + bias; }
long long multiply(long long a, long long b) { return a * b + big; }
void fill(int v) { for (int i = 0; i < 100; i++) room[i] = v + i; }
void _start(void) {
  struct node *head = 0; int t = 0; double d[3] = {1, 2, 3};
  for (int i = 0; i < 5; i++) head = push(head, factorial(i));
  for (; head; head = head->next) t += head->value + length(names[t % 3]);
  fill(t);
  t += (int)sum(d, 3) + (int)mix(t, room[9]) + choose(t & 7) + (int)multiply(t, 2);
  __asm__ volatile("int {$0x80|0x80}" : : "a"(1), "b"(t & 127));
}
"""
FLAGS = [
    [level, pic, f"-masm={syntax}", *extra]
    for level, pic, syntax in itertools.product(
        ("-O0", "-O1", "-O2", "-O3"), ("-fno-pic", "-fpie"), ("att", "intel")
    )
    for extra in (["-g"], ["-msse2", "-mfpmath=sse"])
]


def linked(path: Path) -> ELFFile:
    """The object linked by GNU ld."""
    out = path.with_suffix(".elf")
    subprocess.run(["ld", "-m", "elf_i386", "--no-warnings", str(path), "-o", str(out)], check=True)
    return ELFFile(out.open("rb"))


def same_as_gnu(source: Path, folder: Path) -> None:
    """Both assemblers' objects, linked by the same linker, hold the same bytes at the same addresses."""
    theirs, ours = folder / "gnu.o", folder / "ours.o"
    subprocess.run(["as", "--32", str(source), "-o", str(theirs)], check=True, capture_output=True)
    ours.write_bytes(assemble_object(source).elf())
    a, b = linked(theirs), linked(ours)
    loaded = [s.name for s in a.iter_sections() if s["sh_flags"] & 2]
    assert loaded == [s.name for s in b.iter_sections() if s["sh_flags"] & 2]
    # The line table of GNU as has its own opcodes; what refers to it is the same.
    debug = [
        s.name
        for s in a.iter_sections()
        if s.name in (".debug_info", ".debug_loclists", ".debug_rnglists")
    ]
    for name in loaded + debug:
        x, y = a.get_section_by_name(name), b.get_section_by_name(name)
        assert (x["sh_addr"], x["sh_size"]) == (y["sh_addr"], y["sh_size"]), name
        assert x.data() == y.data(), name


@needs_gcc
@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_gcc_output_gives_gnu_bytes(flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(SOURCE)
    source = tmp_path / "x.s"
    subprocess.run(
        ["gcc", "-m32", "-march=i686", "-S", "-ffreestanding", "-fno-stack-protector", *flags,
         "x.c", "-o", str(source)],
        check=True, cwd=tmp_path,
    )  # fmt: skip
    same_as_gnu(source, tmp_path)


@needs_gcc
def test_lines_are_those_of_the_c_source(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(SOURCE)
    subprocess.run(
        ["gcc", "-m32", "-g", "-O0", "-fno-pic", "-S", "-ffreestanding", "x.c"],
        check=True,
        cwd=tmp_path,
    )
    program = assemble(tmp_path / "x.s")
    line = program.line_at(program.entry)
    assert line is not None
    assert line.file.endswith("x.c")
    assert SOURCE.split("\n")[line.line - 1].startswith("void _start")


def random_jumps(seed: int) -> str:
    """Jumps over alignments and rooms of all sizes."""
    chooser = random.Random(seed)
    labels = 8
    out = [".globl _start", "_start:"]
    places = sorted(chooser.sample(range(40), labels))
    for step in range(40):
        if step in places:
            out.append(f"L{places.index(step)}:")
        kind = chooser.randrange(5)
        if kind < 2:
            out.append(f"{chooser.choice(('jmp', 'je', 'jne', 'jb'))} L{chooser.randrange(labels)}")
        elif kind == 2:
            out.append(
                f".p2align {chooser.randrange(1, 7)}{chooser.choice(('', ',,10', ',0x90', ',,3'))}"
            )
        else:
            out.append(f".skip {chooser.randrange(70)},0x90")
    return "\n".join(out) + "\nnop\n"


@needs_gnu
def test_jumps_beside_alignments_have_gas_sizes(tmp_path: Path) -> None:
    source, thing = tmp_path / "x.s", tmp_path / "x.o"
    for seed in range(200):
        source.write_text(random_jumps(seed))
        subprocess.run(["as", "--32", str(source), "-o", str(thing)], check=True)
        with thing.open("rb") as stream:
            text = ELFFile(stream).get_section_by_name(".text").data()
        assert assemble_text(source.read_text()).section(".text").data == text, f"seed {seed}"


def random_expression(chooser: random.Random, depth: int) -> str:
    """An expression of numbers and two known symbols."""
    kind = chooser.randrange(6)
    if depth == 0 or kind == 0:
        return chooser.choice(("1", "7", "0x10", "s", "t", "033", "'a", "255"))
    if kind == 1:
        return chooser.choice("-~!") + random_expression(chooser, depth - 1)
    if kind == 2:
        return f"({random_expression(chooser, depth - 1)})"
    blank = chooser.choice((" ", ""))
    operators = (
        "+",
        "-",
        "*",
        "|",
        "&",
        "^",
        "!",
        "<<",
        ">>",
        "==",
        "!=",
        "<>",
        "<",
        ">",
        "<=",
        "&&",
        "||",
    )
    return blank.join((random_expression(chooser, depth - 1), chooser.choice(operators),
                       random_expression(chooser, depth - 1)))  # fmt: skip


@needs_gnu
def test_random_expressions_have_gas_values(tmp_path: Path) -> None:
    chooser = random.Random(20)
    head = ".globl _start\n_start: nop\n.set s,12\n.equ t,-5\n.data\n"
    taken = []
    while len(taken) < 700:
        line = f".quad {random_expression(chooser, 3)}\n"
        try:
            assemble_text(head + line)
        except AssemblyError:
            continue  # a shift too far
        taken.append(line)
    source, thing = tmp_path / "x.s", tmp_path / "x.o"
    source.write_text(head + "".join(taken))
    subprocess.run(["as", "--32", str(source), "-o", str(thing)], check=True, capture_output=True)
    with thing.open("rb") as stream:
        theirs = ELFFile(stream).get_section_by_name(".data").data()
    ours = assemble(source).section(".data").data
    assert [line for i, line in enumerate(taken) if theirs[8 * i :][:8] != ours[8 * i :][:8]] == []


FRAGMENTS = {
    "float": ".data\n.float 1.5, -0.1, 1e-40, 3.4e38\n.double 0.1, 1e-310\n.tfloat 0.1, -2.5\n.single 2\n",
    "numbers": ".data\n.octa 0x1234567890abcdef1234, -1\n.uleb128 300, 0\n.sleb128 -300, 63, 64\n.dc.l 1\n"
               ".dc.b 2\n.dcb.w 2, 7\n.ds.l 2\n.string16 \"ab\"\na: .skip 200\nb: .uleb128 b-a\n",
    "subsections": ".text 1\n.byte 1\n.text 0\n.byte 2\n.subsection 2\n.byte 3\n.previous\n.byte 4\n",
    "local": ".data\n.long A, B\n.local B\n.comm B,16,4\n.local A\n.comm A,16,4\n.lcomm C 8\n",
    "balign": "nop\n.balign 8,\nnop\n.p2align 4,0x90\nnop\n.balign 16,0xcc\n"
              ".p2alignw 3,0x1234\nnop\n.data\n.byte 1\n.p2align 3,0x90\n",
    "quoted": '.data\n"a b": .long "a b"+4\n"3 c d": .long "3 c d"\n.byte 256, -300\n',
    "strings": "movsl (%esi),%es:(%edi)\nmovsb %fs:(%esi),%es:(%edi)\nlods (%esi),%al\nstos %ax,%es:(%edi)\n"
               "scasl (%edi),%eax\ncmpsb %es:(%edi),%gs:(%esi)\nxlat (%ebx)\nrep stosl %eax,(%edi)\n",
    "prefixes": "rep ret\nrepne ret\nbnd ret\ncs nop\nfs lodsl\nnotrack jmp *%eax\ndata16 nop\nendbr32\n"
                "fs movl (%eax),%ebx\nrep fs movsl\n{disp32} jmp 1f\n1: {load} movl %eax,%ebx\n"
                "{disp32} movl 4(%eax),%ebx\nrep bsf %eax,%ebx\nrep bsfl %eax,%ebx\nrep retl\n",
    "x87": ".data\nv: .word 2\n.text\nfimul v\nfild v\nfistp v\nfadd v\nfld v\nfstp v\nfst v\nfisttp v\n",
    "vector": "paddusb %mm0,%mm1\npaddusw %xmm0,%xmm1\ncmpltsd %xmm1,%xmm2\ncmpneqps (%eax),%xmm2\n"
              "pshufw $3,%mm1,%mm2\nmaskmovq %mm1,%mm2\nmovdq2q %xmm1,%mm2\nmovq2dq %mm1,%xmm2\n"
              "movntq %mm1,(%eax)\ncvtpi2ps %mm1,%xmm2\ncvttsd2sil %xmm0,%eax\n",
    "frames": ".cfi_startproc\npushl %ebp\n.cfi_def_cfa_offset 8\n.cfi_offset 5, -8\n.skip 300,0x90\n"
              ".cfi_def_cfa_register 5\n.cfi_remember_state\nnop\n.cfi_restore_state\nret\n.cfi_endproc\n"
              ".cfi_startproc\n.cfi_personality 0x9b, p\n.cfi_lsda 0x1b, l\nret\n.cfi_endproc\nl: p: nop\n",
    "merge": '.section .rodata.str1.1,"aMS",@progbits,1\ns: .string "tail"\nt: .string "a tail"\n'
             '.string "tail"\n'
             ".text\nmovl $s,%eax\nmovl $t,%ebx\n",
    "got": "call 1f\n1: popl %ebx\naddl $_GLOBAL_OFFSET_TABLE_+[.-1b],%ebx\nmovl v@GOTOFF(%ebx),%eax\n"
           "movl v@GOT(%ebx),%ecx\ncall f@PLT\n.globl f, v\nf: ret\n.data\nv: .long 5\n",
    "altmacro": ".altmacro\n.macro add n\nLOCAL skip\njmp skip\nint3\nskip: addl $\\n,%ebx\n"
                "addl $n,%ecx\n.endm\nadd 1\nadd %(2+3)\nadd <7>\n.noaltmacro\n",
    "weak": ".weak w, u\n.hidden w\nw: jmp w\nmovl $u,%eax\n",
    "code elsewhere": '.data\nmovl $1,%eax\n.section .x,"awx"\nnop\n.section .y\n.long 4\n',
}  # fmt: skip


@needs_gnu
@pytest.mark.parametrize("name", sorted(FRAGMENTS))
def test_fragment_gives_gnu_bytes(name: str, tmp_path: Path) -> None:
    source = tmp_path / "x.s"
    source.write_text(f".globl _start\n_start: nop\n{FRAGMENTS[name]}\n")
    same_as_gnu(source, tmp_path)
