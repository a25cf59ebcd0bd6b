"""The linker beside GNU ld: the same sections at the same addresses with the same bytes."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from userland.linker import InputObject, LinkError, link, read_object
from userland.linker.archive import read_archive
from userland.linker.link import Linked

needs_gnu = pytest.mark.skipif(
    not all(map(shutil.which, ("gcc", "as", "ld", "ar"))),
    reason="gcc and GNU binutils are not installed",
)

FIRST = r"""
extern int twice(int); extern int table[]; extern int shared; static int hidden = 3; int big[40];
extern const char *name(int); __thread int tl = 5; __thread int tz;
static const char *const words[] = {"alpha", "beta", "a tail", "tail"};
__attribute__((weak)) int maybe(void) { return 1; }
int other(void);
double scale(double x) { return x * 3.25 + 1.5; }
float fscale(float x) { return x * 3.25f; }
void _start(void) {
  int r = twice(hidden) + table[1] + maybe() + shared + big[3] + other() + tl + tz + (int)scale(2.0)
    + (int)fscale(2.f);
  const char *p = name(1);
  r += p[0] + words[r & 3][0];
  __asm__ volatile("int $0x80" ::"a"(1), "b"(r & 0xff));
  for (;;) ;
}
"""
SECOND = r"""
int table[4] = {1, 2, 3, 4}; int shared; short small; static int hidden2 = 9; char tiny;
int twice(int x) { return 2 * x + hidden2; }
const char *name(int i) { static const char *const n[] = {"beta", "gamma tail", "tail"}; return n[i % 3]; }
int maybe(void) { return 40; }
extern int absent(void) __attribute__((weak));
int other(void) {
  switch (table[0]) {
    case 0: return 5; case 1: return small + 7; case 2: return 9; case 3: return tiny + 11; case 4: return 13;
  }
  return absent ? absent() : 17;
}
double k(double x) { return x * 3.25; }
"""


def compile_c(folder: Path, name: str, source: str, *flags: str) -> Path:
    (folder / f"{name}.c").write_text(source)
    subprocess.run(
        ["gcc", "-m32", "-c", "-ffreestanding", "-ftls-model=local-exec", *flags,
         f"{name}.c", "-o", f"{name}.o"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / f"{name}.o"


def assemble_gnu(folder: Path, name: str, source: str) -> Path:
    (folder / f"{name}.s").write_text(source)
    subprocess.run(["as", "--32", f"{name}.s", "-o", f"{name}.o"], cwd=folder, check=True)
    return folder / f"{name}.o"


def load(*paths: Path) -> list[InputObject]:
    return [read_object(path.read_bytes(), path.name) for path in paths]


def same_as_ld(linked: Linked, folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["ld", "-m", "elf_i386", "-static", *arguments, "-o", "ref"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    reference = ELFFile(io.BytesIO((folder / "ref").read_bytes()))
    theirs = {
        s.name: (s["sh_addr"], s["sh_size"], b"" if s["sh_type"] == "SHT_NOBITS" else s.data())
        for s in reference.iter_sections()
        if s["sh_flags"] & 2 and s["sh_size"] and s["sh_type"] != "SHT_NOTE"
    }
    ours = {s.name: (s.address, s.size, s.data) for s in linked.program.sections}
    assert ours == theirs
    assert linked.program.entry == reference["e_entry"]


FLAGS = [
    tuple(words.split())
    for words in (
        "-O0 -fno-pic", "-O0 -fPIC", "-O1 -fPIE", "-O2 -fno-pic -ffunction-sections -fdata-sections",
        "-O2 -fPIC -g", "-O3 -fno-pic -fcommon -g", "-Os -fPIE", "-O1 -fno-pic -fcommon",
    )
]  # fmt: skip


@needs_gnu
@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_two_compiled_files(tmp_path: Path, flags: tuple[str, ...]) -> None:
    objects = load(
        compile_c(tmp_path, "a", FIRST, *flags), compile_c(tmp_path, "b", SECOND, *flags)
    )
    same_as_ld(link(objects), tmp_path, "a.o", "b.o")


@needs_gnu
def test_commons_lie_in_the_order_of_the_hash_table(tmp_path: Path) -> None:
    rng = random.Random(7)
    names = sorted({"".join(rng.choices("abcdefgh_", k=rng.randint(1, 8))) for _ in range(60)})
    rng.shuffle(names)
    halves = names[:35], names[25:]
    paths = [
        assemble_gnu(
            tmp_path, f"f{index}",
            "".join(f".comm {n}, {rng.randint(1, 40)}, {1 << rng.randint(0, 5)}\n" for n in half)
            + (".globl _start\n_start: nop\n" if not index else "")
            + "".join(f".long {n}\n" for n in half),
        )
        for index, half in enumerate(halves)
    ]  # fmt: skip
    same_as_ld(link(load(*paths)), tmp_path, "f0.o", "f1.o")


@needs_gnu
def test_random_strings_are_merged_as_ld_merges_them(tmp_path: Path) -> None:
    rng = random.Random(3)
    words = ["".join(rng.choices("ab", k=rng.randint(0, 6))) for _ in range(40)]
    paths = []
    for index in range(3):
        lines = ['.section .rodata.str1.1,"aMS",@progbits,1']
        for number in range(14):
            lines += [f's{number}: .string "{rng.choice(words)}"']
        lines += ['.section .rodata.str1.4,"aMS",@progbits,1', ".align 4"]
        for number in range(8):
            lines += [f't{number}: .string "{rng.choice(words)}"', ".align 4"]
        lines += [
            '.section .rodata.cst4,"aM",@progbits,4',
            *(f".long {rng.randint(0, 5)}" for _ in range(9)),
        ]
        lines += [
            ".data",
            *(f".long s{n}, s{n}+1" for n in range(14)),
            *(f".long t{n}" for n in range(8)),
        ]
        lines += [
            ".text",
            ".globl _start" if not index else "",
            "_start:" if not index else "",
            "nop",
        ]
        paths.append(assemble_gnu(tmp_path, f"m{index}", "\n".join(lines) + "\n"))
    same_as_ld(link(load(*paths)), tmp_path, *(path.name for path in paths))


@needs_gnu
@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("constants", [0x100, 0x900, 0xE00, 0xFC0, 0xFD4])
def test_where_data_begins(tmp_path: Path, framed: bool, constants: int) -> None:
    begin, end = (".cfi_startproc", ".cfi_endproc") if framed else ("", "")
    for data, bss, thread in ((0x10, 0xC0, 0), (0x700, 1, 0), (0x10, 0x6A0, 0), (0xF00, 1, 0),
                              (0x10, 1, 0x100), (0x10, 1, 0x800)):  # fmt: skip
        source = (
            f".globl _start\n_start: {begin}\nnop\n{end}\n.section .rodata\n.skip {constants},1\n"
        )
        source += f".data\n.skip {data},1\n.bss\n.p2align 5\n.skip {bss}\n"
        if thread == 0x800:
            source += '.section .data.rel.ro,"aw"\n.p2align 5\n.skip 36\n'
            source += ".text\nmovl $_GLOBAL_OFFSET_TABLE_, %eax\n"
        if thread:
            source += f'.section .tdata,"awT",@progbits\n.skip {thread},1\n'
        same_as_ld(link(load(assemble_gnu(tmp_path, "a", source))), tmp_path, "a.o")


@needs_gnu
def test_an_archive_gives_only_the_members_that_are_needed(tmp_path: Path) -> None:
    main = assemble_gnu(tmp_path, "main", ".globl _start\n_start: call one\n")
    for name, calls in (("one", "two"), ("two", "two"), ("three", "absent")):
        assemble_gnu(tmp_path, name, f".globl {name}\n{name}: call {calls}\n.data\n.long {name}\n")
    subprocess.run(["ar", "rcs", "libx.a", "three.o", "two.o", "one.o"], cwd=tmp_path, check=True)
    archive = read_archive((tmp_path / "libx.a").read_bytes(), "libx.a")
    linked = link([*load(main), archive])
    assert "three" not in linked.program.symbols
    same_as_ld(linked, tmp_path, "main.o", "libx.a")


@needs_gnu
def test_the_linked_program_runs_on_linux(tmp_path: Path) -> None:
    objects = load(compile_c(tmp_path, "a", FIRST, "-O1", "-fno-pic", "-Dtl=tl0", "-Dtz=tz0", "-D__thread="),
                   compile_c(tmp_path, "b", SECOND, "-O1", "-fno-pic"))  # fmt: skip
    program = tmp_path / "program"
    program.write_bytes(link(objects).program.elf())
    program.chmod(0o755)
    ld = subprocess.run(
        ["ld", "-m", "elf_i386", "a.o", "b.o", "-o", "ref"], cwd=tmp_path, check=False
    )
    assert not ld.returncode
    try:
        wanted = subprocess.run([tmp_path / "ref"], check=False).returncode
    except OSError:
        pytest.skip("this host does not run 32-bit programs")
    assert subprocess.run([program], check=False).returncode == wanted


@needs_gnu
@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ((".globl _start\n_start: call nowhere\n",), "f0.o: undefined symbol `nowhere'"),
        ((".globl x\nx: nop\n", ".globl x\nx: nop\n"), "`x' is defined twice: in f0.o and in f1.o"),
        (
            (
                ".globl _start\n_start: leal x@TLSGD(,%ebx,1), %eax\n\n"
                '.section .tdata,"awT"\n.globl x\nx: .long 1\n',
            ),
            "the code around the thread-local access in .text at 0x3 is none that a compiler writes",
        ),
        (
            (".globl _start\n_start: .byte far\n", ".globl far\nfar: nop\n"),
            "does not fit into 1 byte of .text",
        ),
        ((".globl f\n.type f, @gnu_indirect_function\nf: ret\n",), "`f' is an indirect function"),
        (("nop\n.type f, @gnu_indirect_function\nf: ret\n",), "`f' is an indirect function"),
        ((".globl _start\n_start: call ___tls_get_addr\n",), "undefined symbol `___tls_get_addr'"),
    ],
)
def test_what_does_not_link_is_said(tmp_path: Path, sources: tuple[str, ...], said: str) -> None:
    paths = [assemble_gnu(tmp_path, f"f{i}", source) for i, source in enumerate(sources)]
    with pytest.raises(LinkError) as caught:
        link(load(*paths))
    assert said in str(caught.value)


@needs_gnu
def test_without_start_it_says_where_the_program_begins(tmp_path: Path) -> None:
    linked = link(load(assemble_gnu(tmp_path, "a", "nop\n.globl other\nother: nop\n")))
    assert linked.warnings == [
        "`_start' is not defined: the program starts at the first byte of .text"
    ]
    same_as_ld(linked, tmp_path, "a.o")
    assert link(load(tmp_path / "a.o"), entry="other").program.entry == linked.program.entry + 1


@needs_gnu
def test_a_damaged_object_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = compile_c(tmp_path, "a", FIRST, "-O1", "-g").read_bytes()
    rng = random.Random(11)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        cut = bytes(data[: rng.randrange(len(data))] if rng.random() < 0.3 else data)
        with suppress(LinkError):  # damage that changes only bytes of the program is none
            link([read_object(cut, "a.o")])
