"""`--core` and `gcore`: core files that gdb and eu-readelf read."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from command import toykernel, write
from elftools.elf.elffile import ELFFile

from toykernel.harness.session import Session
from toykernel.look.elf_core import elf_core

ABORTS = """        .globl _start
        # Two threads of one process; the second one uses the FPU and is killed by a write to 0x1234.
_start: movl    $0x10f00, %ebx          # VM FS FILES SIGHAND THREAD
        movl    $stack, %ecx
        movl    $120, %eax
        int     $0x80
        testl   %eax, %eax
        jz      second
        movl    $29, %eax               # pause
        int     $0x80
second: fldpi
        movl    $0x55aa, %esi
        movl    $77, %edi
fault:  movl    %edi, 0x1234
        .data
value:  .long   0xcafebabe
        .bss
        .zero   4096
stack:
"""
TWO = """        .globl _start
_start: movl    $2, %eax
        int     $0x80
        testl   %eax, %eax
        jz      fault
        movl    $7, %eax                # waitpid
        movl    $-1, %ebx
        movl    $status, %ecx
        xorl    %edx, %edx
        int     $0x80
        movl    status, %eax
        testl   $0x80, %eax             # WCOREDUMP: RLIMIT_CORE is 0
        jnz     1f
fault:  ud2
1:      movl    $1, %eax
        movl    $9, %ebx
        int     $0x80
        .bss
status: .long   0
"""


def notes(data: bytes) -> list[tuple[str, str, bytes]]:
    """(name, type, contents) of each."""
    elf = ELFFile(io.BytesIO(data))
    segment = next(s for s in elf.iter_segments() if s["p_type"] == "PT_NOTE")
    return [(n["n_name"], str(n["n_type"]), n["n_descdata"]) for n in segment.iter_notes()]


def memory(data: bytes, address: int, size: int) -> bytes:
    """What the file has at an address."""
    for segment in ELFFile(io.BytesIO(data)).iter_segments():
        start = segment["p_vaddr"]
        if segment["p_type"] == "PT_LOAD" and start <= address < start + segment["p_filesz"]:
            return bytes(segment.data()[address - start : address - start + size])
    raise AssertionError(f"{address:#x} is not there")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A program, and the core file of its end."""
    home = tmp_path_factory.mktemp("core")
    source, program, file = write(home, ABORTS), home / "program", home / "core"
    assert toykernel("build", source, "-o", program).returncode == 0
    assert toykernel("run", "--core", file, program).returncode == 128 + 11
    return program, file


def test_the_notes_are_those_of_linux(core: tuple[Path, Path]) -> None:
    program, file = core
    found = notes(file.read_bytes())
    # In the order of fs/binfmt_elf.c, the thread that dies first; sizes of i386.
    assert [(name, kind, len(data)) for name, kind, data in found if kind != "NT_AUXV"] == [
        ("CORE", "NT_PRSTATUS", 144),
        ("CORE", "NT_PRPSINFO", 124),
        ("CORE", "NT_SIGINFO", 128),
        ("CORE", "NT_FILE", len(found[4][2])),
        ("CORE", "NT_FPREGSET", 108),
        ("LINUX", str(0x46E62B7F), 512),
        ("CORE", "NT_PRSTATUS", 144),
        ("CORE", "NT_FPREGSET", 108),
        ("LINUX", str(0x46E62B7F), 512),
    ]
    status = found[0][2]
    regs = dict(
        zip(("bx", "cx", "dx", "si", "di"), struct.unpack_from("<5I", status, 72), strict=True)
    )
    assert struct.unpack_from("<3ih", status) == (11, 0, 0, 11)
    assert struct.unpack_from("<2i", status, 24) == (3, 1)  # pid, ppid
    assert (regs["si"], regs["di"]) == (0x55AA, 77)
    symbols = ELFFile(io.BytesIO(program.read_bytes())).get_section_by_name(".symtab")
    label = {s.name: s["st_value"] for s in symbols.iter_symbols()}
    assert struct.unpack_from("<I", status, 72 + 4 * 12) == (label["fault"],)
    assert memory(file.read_bytes(), label["value"], 4) == b"\xbe\xba\xfe\xca"
    # The other thread sits in pause.
    other = found[7][2]
    assert struct.unpack_from("<i", other, 24) == (2,)
    assert struct.unpack_from("<I", other, 72 + 4 * 11) == (29,)
    signo, _, code, address = struct.unpack_from("<3iI", found[2][2])
    assert (signo, code, address) == (11, 1, 0x1234)
    assert found[5][2][28:38].hex() == "35c26821a2da0fc90040"  # st0 is pi
    rows = struct.unpack_from("<2I", found[4][2])
    assert (rows[1], found[4][2].rstrip(b"\0").split(b"\0")[-1]) == (4096, b"/program")


@pytest.mark.skipif(shutil.which("eu-readelf") is None, reason="elfutils is not installed")
def test_eu_readelf_reads_it(core: tuple[Path, Path]) -> None:
    done = subprocess.run(
        ["eu-readelf", "-h", "-l", "-n", core[1]], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("PRSTATUS") == 2
    assert "fault address: 0x1234" in done.stdout


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_gdb_opens_it(core: tuple[Path, Path]) -> None:
    program, file = core
    asked = (
        "info threads",
        "p $_siginfo._sifields._sigfault.si_addr",
        "p/x (int) value",
        "p $st0",
        "x/i $pc",
    )
    line = ["gdb", "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off"]
    for command in asked:
        line += ["-ex", command]
    done = subprocess.run(
        [*line, program, file], capture_output=True, text=True, check=False, timeout=60
    )
    assert "Program terminated with signal SIGSEGV, Segmentation fault." in done.stdout
    assert "LWP 3" in done.stdout
    assert "LWP 2" in done.stdout
    assert "$1 = (void *) 0x1234" in done.stdout
    assert "$2 = 0xcafebabe" in done.stdout
    assert "$3 = 3.14159265358979323851" in done.stdout
    assert "mov    %edi,0x1234" in done.stdout


def test_a_folder_gets_all_and_a_file_the_first(tmp_path: Path) -> None:
    source, folder, file = write(tmp_path, TWO), tmp_path / "cores", tmp_path / "core"
    folder.mkdir()
    # With RLIMIT_CORE at 0 the parent is not told of a core (status 0x84), and dies of ud2 in its turn.
    assert toykernel("run", "--core", folder, source).returncode == 128 + 4
    assert sorted(f.name for f in folder.iterdir()) == ["core.2", "core.3"]
    done = toykernel("run", "--core", file, source)
    assert notes(file.read_bytes())[1][2][12:16] == (3).to_bytes(4, "little")
    assert f"pid 2 has dumped core, too; {file} has that of pid 3" in done.stderr.decode()


def test_no_core_without_a_signal_that_dumps_one(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        ".globl _start\n_start: movl $37, %eax\nmovl $2, %ebx\nmovl $15, %ecx\nint $0x80\n",
    )
    file = tmp_path / "core"
    assert toykernel("run", "--core", file, source).returncode == 128 + 15
    assert not file.exists()


def test_nothing_that_is_needed_is_written_over(tmp_path: Path) -> None:
    source = write(tmp_path, TWO)
    text = source.read_bytes()
    assert toykernel("run", "--core", source, source).returncode == 125
    done = toykernel("debug", "-ex", f"gcore {source}", "-ex", f"gcore {tmp_path}/made", source)
    assert (
        f"{source} is the program itself; name another file" in (done.stdout + done.stderr).decode()
    )
    assert source.read_bytes() == text
    assert notes((tmp_path / "made").read_bytes())[0][1] == "NT_PRSTATUS"


def test_a_huge_area_that_nobody_touches_is_cut(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        ".globl _start\n_start: movl $192, %eax\nxorl %ebx, %ebx\nmovl $0x20000000, %ecx\n"
        "movl $3, %edx\nmovl $0x4022, %esi\nmovl $-1, %edi\nxorl %ebp, %ebp\nint $0x80\n"
        "movb $1, 0x1000(%eax)\nfault: ud2\n",
    )
    session = Session(source)
    session.break_at("fault")
    session.run()
    data = elf_core(session.kernel, session.task(2).task)
    sizes = [(s["p_filesz"], s["p_memsz"]) for s in ELFFile(io.BytesIO(data)).iter_segments()]
    assert (0x2000, 0x20000000) in sizes
