"""C programs with the C library of this machine, linked statically: the same here and on Linux.

They are built by `gcc -m32 -static`, so the very same ELF file runs on both sides.
"""

from __future__ import annotations

import platform
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

SOURCES = sorted((Path(__file__).parent / "glibc").glob("*.c"))
WRITTEN_DOWN = [path for path in SOURCES if path.with_suffix(".expected").exists()]
MAX_CYCLES = 2_000_000_000
#: These have the rules of newer kernels, from a version on.
NEWER = {
    "mlock_again": (4, 9),
    "newer_rules": (6, 3),
    "vdso": (6, 3),
    "which_error_first": (6, 13),
    "pidfd_and_ns_ioctls": (6, 15),
    "clocks_log_and_status": (6, 5),
    "seccomp_listener": (6, 12),
    "network_namespaces": (5, 8),
    "fdinfo_objects": (6, 8),
    "altstack_autodisarm": (4, 7),
    "user_dispatch": (6, 17),
    "sealed_and_guarded": (6, 15),
    "ambient_and_secure": (6, 14),
}


@pytest.fixture(scope="module")
def glibc32(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, saying why, where 32-bit C programs cannot be linked or run."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    at = tmp_path_factory.mktemp("probe")
    (at / "probe.c").write_text("int main(void) { return 42; }\n")
    command = ["gcc", "-m32", "-static", str(at / "probe.c"), "-o", str(at / "probe")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("`gcc -m32 -static` does not work here: is gcc-multilib installed?")
    try:
        status = run(at / "probe")[2]
    except OSError as error:
        pytest.skip(f"this machine does not run 32-bit x86 programs: {error}")
    if status != 42:
        pytest.skip(f"this machine does not run 32-bit x86 programs: probe ended with {status}")


def kernel_here() -> tuple[int, ...]:
    """The version of the Linux that runs the tests."""
    return tuple(int(number) for number in platform.release().split("-")[0].split(".")[:2])


def compiled(source: Path, folder: Path) -> Path:
    """The program of a source."""
    program = folder / source.stem
    command = ["gcc", "-m32", "-static", "-O1", "-w", str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.usefixtures("glibc32")
@pytest.mark.parametrize("source", WRITTEN_DOWN, ids=lambda path: path.stem)
def test_as_written_down(source: Path, tmp_path: Path) -> None:
    """What the manual pages say, where no Linux can be asked: namespaces and mounts take root there."""
    session = Session(compiled(source, tmp_path), config=Config(memory=64 << 20))
    result = runner.run(session, max_cycles=MAX_CYCLES)
    assert result.status == 0, result.message
    assert session.stdout.decode() == source.with_suffix(".expected").read_text()
    check_all(session.kernel)
    assert not leaked_frames(session.kernel)


@pytest.mark.usefixtures("glibc32")
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_here_as_on_linux(source: Path, tmp_path: Path) -> None:
    if kernel_here() < NEWER.get(source.stem, (0, 0)):
        pytest.skip(f"this machine's own Linux is too old: {platform.release()}")
    program = compiled(source, tmp_path)
    there = run(program, session=True)
    session = Session(program, config=Config(memory=64 << 20))
    result = runner.run(session, max_cycles=MAX_CYCLES)
    assert result.status == there[2], result.message
    assert session.stdout.decode().splitlines() == there[0].decode().splitlines()
    assert session.stderr == there[1]
    check_all(session.kernel)
    assert not leaked_frames(session.kernel)
