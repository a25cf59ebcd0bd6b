"""Position-independent and dynamically linked programs, with the C library of this machine."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from native_linux import run

from toykernel.check.invariants import check_all
from toykernel.harness import runner
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.state import Config

SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
static int number = 5, *pointer = &number;
int main(int argc, char **argv)
{
    char *heap = malloc(200000);
    memset(heap, 1, 200000);
    printf("%d %s %d\n", *pointer, argv[argc - 1], heap != 0);
    printf("entry %d, base %d, secure %ld, uid %ld\n", getauxval(AT_ENTRY) != 0, getauxval(AT_BASE) != 0,
           getauxval(AT_SECURE), getauxval(AT_UID));
    if (argc == 1) {
        fflush(stdout);
        execl("/proc/self/exe", argv[0], "again", (char *)0);
    }
    return 7;
}
"""


@pytest.mark.parametrize(
    ("flags", "dynamic"),
    [(("-static-pie",), False), (("-pie", "-fPIE"), True), (("-no-pie",), True)],
    ids=["static-pie", "pie", "no-pie"],
)
def test_here_as_on_linux(flags: tuple[str, ...], dynamic: bool, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    source, program = tmp_path / "prog.c", tmp_path / "prog"
    source.write_text(SOURCE)
    command = ["gcc", "-m32", "-O1", *flags, str(source), "-o", str(program)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"`gcc -m32 {' '.join(flags)}` does not work here")
    there = run(program, session=True)
    session = Session(
        program, files=libraries(program) if dynamic else {}, config=Config(memory=64 << 20)
    )
    result = runner.run(session, max_cycles=2_000_000_000)
    assert result.status == there[2] == 7, result.message
    named = there[0].replace(str(program).encode(), b"/prog")
    assert session.stdout == named
    check_all(session.kernel)
    assert not leaked_frames(session.kernel)


def libraries(program: Path) -> dict[str, bytes]:
    """What a program is linked to, by the paths that its interpreter looks in."""
    listed = subprocess.run(
        ["ldd", str(program)], capture_output=True, text=True, check=True
    ).stdout
    paths = re.findall(r"(/\S+) \(0x", listed)
    return {path: Path(path).read_bytes() for path in paths}


def test_without_its_interpreter_it_is_not_found(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    source, program = tmp_path / "prog.c", tmp_path / "prog"
    source.write_text(SOURCE)
    command = ["gcc", "-m32", str(source), "-o", str(program)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("`gcc -m32` does not work here")
    result = runner.run(Session(program))
    assert (result.status, result.message.rpartition(": ")[2]) == (125, "ENOENT")


def test_the_interpreter_shows_the_auxiliary_vector_as_on_linux(tmp_path: Path) -> None:
    """LD_SHOW_AUXV: every entry by name, in order; the vDSO is one of the objects that it has loaded."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    release = platform.release().split("-")[0].split(".")
    if [int(number) for number in release[:2]] < [6, 3]:
        pytest.skip(f"this machine's own Linux is older than 6.3: {platform.release()}")
    source, program = tmp_path / "prog.c", tmp_path / "prog"
    source.write_text(LOADED)
    command = ["gcc", "-m32", "-w", str(source), "-o", str(program)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("`gcc -m32` does not work here")
    env = {"LD_SHOW_AUXV": "1"}
    there = subprocess.run([str(program)], env=env, capture_output=True, text=True, check=True)
    session = Session(program, env=env, files=libraries(program), config=Config(memory=64 << 20))
    result = runner.run(session, max_cycles=2_000_000_000)
    assert result.status == 0, result.message

    def shown(text: str) -> list[str]:
        lines = [line.split(":") for line in text.splitlines()]
        same = ("AT_PAGESZ", "AT_CLKTCK", "AT_PHENT", "AT_SECURE", "AT_PLATFORM", "loaded")
        return [f"{name}:{rest[0]}" if name.strip() in same else name for name, *rest in lines]

    assert shown(session.stdout.decode()) == shown(there.stdout)
    assert "loaded: linux-gate.so.1" in session.stdout.decode()


LOADED = r"""
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <string.h>
static int show(struct dl_phdr_info *info, size_t size, void *data)
{
    const char *base = strrchr(info->dlpi_name, '/');
    if (*info->dlpi_name)
        printf("loaded: %s\n", base ? base + 1 : info->dlpi_name);
    return 0;
}
int main(void) { return dl_iterate_phdr(show, 0); }
"""
