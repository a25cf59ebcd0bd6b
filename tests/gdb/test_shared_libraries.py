"""Programs that are moved and linked when they are loaded: gdb and `toykernel debug` find their symbols."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.gdb.client import ROOT, Client
from tests.gdb.scenario import GDB
from toykernel.debug.debugger import Debugger
from toykernel.fs.proc.task_mmu import proc_pid_maps
from toykernel.gdb.target import Target
from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.state import Config

SOURCE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static char big[20000], text[16384];
int twice(int x)
{
    int y = x * 2;
    return y;
}
int main(int argc, char **argv)
{
    int n, fd = open("/proc/self/maps", O_RDONLY);
    while ((n = read(fd, text, sizeof text)) > 0)
        write(1, text, n);
    big[0] = argv[0][0];
    return twice(argc + 2);
}
"""
PIE, NO_PIE, STATIC_PIE = ("-pie", "-fPIE"), ("-no-pie",), ("-static-pie",)
Make = Callable[[tuple[str, ...]], tuple[Path, dict[str, bytes]]]
KINDS = pytest.mark.parametrize("flags", [PIE, NO_PIE, STATIC_PIE], ids=lambda flags: flags[0][1:])
MEMORY = Config(memory=64 << 20)
ARGV = "0xbfff"
ROW = re.compile(r"^\w+-\w+ (\S+) (\w+) \S+ \d+ +(\S*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Builds a kind of program; with it, the files that it is linked to."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("shared")
    (folder / "prog.c").write_text(SOURCE)

    @cache
    def made(flags: tuple[str, ...]) -> tuple[Path, dict[str, bytes]]:
        program = folder / flags[0].strip("-")
        line = ["gcc", "-m32", "-g", "-O0", *flags, "prog.c", "-o", program.name]
        if subprocess.run(line, cwd=folder, capture_output=True, check=False).returncode:
            pytest.skip(f"`gcc -m32 {' '.join(flags)}` does not work here")
        if flags == STATIC_PIE:
            return program, {}
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        paths = re.findall(r"(/\S+) \(0x", listed.stdout)
        return program, {path: Path(path).read_bytes() for path in paths}

    return made


@pytest.mark.parametrize("flags", [PIE, NO_PIE], ids=lambda flags: flags[0][1:])
def test_maps_name_the_files_that_linux_names(make: Make, flags: tuple[str, ...]) -> None:
    program, files = make(flags)
    session = Session(program, files=files, config=MEMORY)
    runner.run(session)
    # Without the places at random, and those that a 32-bit program gets from a 64-bit kernel.
    there = subprocess.run(["setarch", "-R", program], capture_output=True, text=True, check=False)
    rows = [
        [rights, offset, os.path.basename(os.path.realpath(name)) if "/" in name else name]
        for text in (session.stdout.decode(), there.stdout)
        for rights, offset, name in ROW.findall(text)
        if not name.startswith("[v") and (name or rights != "rw-p")
    ]
    half = len(rows) // 2
    assert half >= 5
    assert sorted(rows[:half]) == sorted(rows[half:])


def client_of(program: Path, files: dict[str, bytes]) -> Client:
    client = Client("hello.S")
    session = Session(program, files=files, config=MEMORY)
    client.stub.take(Target(session, reverse=False))
    return client


@KINDS
def test_it_stands_at_the_first_instruction_of_all(make: Make, flags: tuple[str, ...]) -> None:
    client = client_of(*make(flags))
    eip = int.from_bytes(bytes.fromhex(client.ask("p8")), "little")
    [here] = [area for area in maps(client) if area[0] <= eip < area[1]]
    assert here[2] == ("/static-pie" if flags == STATIC_PIE else "/lib/ld-linux.so.2")


def maps(client: Client) -> list[tuple[int, int, str]]:
    """Begin, end and name of each area."""
    k = client.target.k
    found = []
    for line in proc_pid_maps(k, k.current).splitlines():
        first, last = (int(word, 16) for word in line.split()[0].split("-"))
        found.append((first, last, line.split()[-1]))
    return found


def libraries(client: Client) -> ElementTree.Element:
    text, more = "", "m"
    while more == "m":
        part = client.ask(f"qXfer:libraries-svr4:read::{len(text):x},1f00")
        more, text = part[0], text + part[1:]
    return ElementTree.fromstring(text)


def test_the_list_of_libraries(make: Make) -> None:
    client = client_of(*make(PIE))
    assert "qXfer:libraries-svr4:read+" in client.ask("qSupported:multiprocess+")
    assert (len(libraries(client)), libraries(client).get("main-lm")) == (0, None)
    client.ask(f"Z0,{client.label('twice'):x},1")
    assert client.ask("vCont;c").startswith("T05")
    document = libraries(client)
    names = [os.path.basename(row.attrib["name"]) for row in document]
    assert names == ["linux-gate.so.1", "libc.so.6", "ld-linux.so.2"]
    assert document.get("main-lm")
    first = {name: start for start, _, name in reversed(maps(client))}
    assert [int(row.attrib["l_addr"], 16) for row in document] == [
        first[row.attrib["name"].replace("linux-gate.so.1", "[vdso]")] for row in document
    ]
    # A guest that breaks its list breaks nothing here.
    for address in (int(row.attrib["lm"], 16) for row in document):
        client.ask(f"M{address + 12:x},4:{address.to_bytes(4, 'little').hex()}")
    assert len(libraries(client)) == 1023
    client.ask(f"M{int(document.attrib['main-lm'], 16) + 12:x},4:01000000")
    assert len(libraries(client)) == 0


def test_a_static_program_has_none() -> None:
    assert len(libraries(Client("hello.S"))) == 0


@KINDS
def test_the_debugger_has_their_symbols(make: Make, flags: tuple[str, ...]) -> None:
    program, files = make(flags)
    debugger = Debugger(Session(program, files=files, config=MEMORY))
    assert debugger.start().kind == "step"
    eip = debugger.machine.cpu.eip
    assert debugger.images.symbol_at(debugger.kernel.current, eip) == "_start"
    debugger.break_at("twice")
    assert debugger.cont().kind == "breakpoint"
    task, eip = debugger.kernel.current, debugger.machine.cpu.eip
    place = debugger.images.place_at(task, eip)
    assert place is not None
    assert place.name == "prog.c:7"
    assert debugger.images.symbol_at(task, eip) == "twice"


@pytest.mark.skipif(GDB is None, reason="gdb is not installed")
@pytest.mark.parametrize("flags", [PIE], ids=lambda flags: flags[0][1:])
def test_gdb_debugs_what_is_moved(make: Make, flags: tuple[str, ...]) -> None:
    program, files = make(flags)
    given = " ".join(f"--file {path}:{path}" for path in files)
    serve = f"{sys.executable} -m toykernel.cli.main gdb --stdio --memory 64M {given} {program}"
    line = [str(GDB), "-nx", "-q", "-batch"]
    for command in (
        *("set debuginfod enabled off", "set width 0", f"target remote | {serve}"),
        *("break twice", "continue", "backtrace", "print big[0]", "info sharedlibrary"),
        *("next", "reverse-next", "print y = 7", "finish"),
        *("reverse-step", "reverse-finish", "reverse-step", "step", "kill"),
    ):
        line += ["-ex", command]
    done = subprocess.run(
        line,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    said = done.stdout
    assert re.search(r"#0  twice \(x=3\) at \S*prog.c:8\n#1  0x\w+ in main \(argc=1, ", said), said
    assert "$1 = 47 '/'" in said
    assert "9\t    return y;" in said
    assert "$2 = 7" in said
    assert "Value returned is $3 = 6" in said
    hit = "\nBreakpoint 1, twice (x=3) at prog.c:8\n8\t    int y = x * 2;\n"
    call = f"main (argc=1, argv={ARGV}) at prog.c:17\n17\t    return twice(argc + 2);\n"
    backwards = f"twice (x=3) at prog.c:10\n10\t}}\n{hit}{call}{hit}"
    assert backwards in re.sub(r"(?<=argv=)0x\w+", ARGV, said)
    assert ("libc.so.6" in said) == (flags == PIE)


def test_a_program_that_does_not_begin_is_none(make: Make) -> None:
    """Its interpreter is missing: exec fails before there is anything to debug."""
    program, _ = make(PIE)
    client = client_of(program, {})
    client.stub._make = lambda _launch: Session(program, config=MEMORY)
    assert client.ask("?") == "W00"
    assert client.ask("qXfer:features:read:target.xml:0,100")[0] == "m"
    assert client.ask("vRun;") == "E02"
