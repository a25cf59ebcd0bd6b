"""The x87 and SSE units against this computer's own."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EMU = HERE.parents[1] / "emu"
COUNT = 100_000


def build(name: str, folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if platform.machine() not in ("x86_64", "AMD64") or compiler is None:
        pytest.skip("NO ORACLE: no x86-64 processor or no C compiler to compare the x87 unit with")
    if "AuthenticAMD" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("NO ORACLE: C1 and undefined results are an AMD processor's")
    program = folder / name
    subprocess.run(
        [compiler, "-O2", "-w", f"-I{EMU}", "-o", program, HERE / f"{name}.c"],
        check=True,
        timeout=120,
    )
    return program


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("x87_check", tmp_path_factory.mktemp("x87"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_instruction_is_the_processors(check: Path, seed: int) -> None:
    """Registers, status, tags and memory, in every rounding and precision mode, masked or not."""
    done = subprocess.run(
        [check, str(COUNT), str(seed)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert f"{COUNT} instructions, 0 differences;" in done.stdout


@pytest.mark.parametrize("insn", ["f0", "f1", "f2", "f3", "f9", "fb", "fe", "ff"])
def test_functions_are_within_a_unit_in_the_last_place(check: Path, insn: str) -> None:
    """F2XM1, FYL2X, FPTAN, FPATAN, FYL2XP1, FSINCOS, FSIN, FCOS; nearly all to the bit."""
    done = subprocess.run(
        [check, "20000", "5", "d9", insn], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[-1]) < 1500


@pytest.mark.parametrize("insn", ["d9 f8", "d9 f5", "d9 fd", "d9 f4", "d9 fa", "df 36", "df 26"])
def test_what_is_rare_among_them(check: Path, insn: str) -> None:
    """FPREM, FPREM1, FSCALE, FXTRACT, FSQRT, FBSTP and FBLD alone."""
    done = subprocess.run(
        [check, "20000", "4", *insn.split()], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("seed", [1, 2])
def test_every_sse_instruction_is_the_processors(tmp_path: Path, seed: int) -> None:
    """Results and MXCSR, in every rounding mode, with and without FTZ and DAZ."""
    program = build("sse_check", tmp_path)
    done = subprocess.run(
        [program, str(COUNT), str(seed)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"{COUNT} instructions, 0 differences\n"
