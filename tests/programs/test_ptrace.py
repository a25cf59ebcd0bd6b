"""Debuggers as guest programs: what ptrace and wait answer them, here and on Linux, from the same file."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from native_linux import run

from toykernel.check.invariants import install
from toykernel.harness import runner
from toykernel.harness.build import build
from toykernel.harness.comparison import compare
from toykernel.harness.compiler import find_compiler
from toykernel.harness.expectations import Expectations, parse_header
from toykernel.harness.recipe import Recipe
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames
from toykernel.state import Config
from toykernel.statehash import state_hash

HERE = Path(__file__).parent / "ptrace"
SOURCES = sorted(HERE.glob("*.c"))
MAX_CYCLES = 200_000_000
Make = Callable[[Path], tuple[Path, Expectations]]

pytestmark = pytest.mark.skipif(find_compiler(os.environ) is None, reason="no C compiler")
each = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The program of a source, and what it promises."""
    folder = tmp_path_factory.mktemp("ptrace")

    @cache
    def make(source: Path) -> tuple[Path, Expectations]:
        program = folder / source.stem
        program.write_bytes(build(source, Recipe(include=(HERE,))).elf)
        program.chmod(0o755)
        return program, parse_header(source.read_text(), str(source))

    return make


@each
def test_linux_says_what_the_header_says(source: Path, made: Make) -> None:
    program, header = made(source)
    assert header.says_anything
    out, err, status, signal = run(program)
    assert compare(header, out, err, status, signal, None) == []


@each
def test_and_so_does_this_kernel_without_a_leak(source: Path, made: Make) -> None:  # C2, D14
    program, header = made(source)
    timing = "i486" if source.stem in ("calls", "steps", "events") else "off"
    session = Session(program, config=Config(timing=timing))
    install(session.kernel)
    result = runner.run(session, max_cycles=MAX_CYCLES)
    assert result.message == ""
    assert compare(header, session.stdout, session.stderr, result.status, result.signal, None) == []
    assert leaked_frames(session.kernel) == 0


@each
def test_a_trace_is_in_a_snapshot_and_in_a_file(source: Path, made: Make, tmp_path: Path) -> None:
    program, header = made(source)
    session = Session(program)
    runner.run(session, max_cycles=MAX_CYCLES)
    whole, end = state_hash(session.kernel), session.kernel.machine.clock.cycles
    session = Session(program)
    parts = 12
    for number in range(1, parts):
        session.run(end * number // parts)
        before = state_hash(session.kernel)
        taken = session.snapshot()
        session.run(end * (number + 1) // parts)
        session.restore(taken)
        assert state_hash(session.kernel) == before
        if number == parts // 2:
            session.save(tmp_path / "moment")
            session = Session.load(tmp_path / "moment")
            assert state_hash(session.kernel) == before
    result = runner.run(session, max_cycles=MAX_CYCLES)
    assert state_hash(session.kernel) == whole
    assert compare(header, session.stdout, session.stderr, result.status, result.signal, None) == []


@pytest.mark.parametrize("name", ["memory", "ends", "threads"])
def test_every_invariant_holds_at_every_trap(name: str, made: Make) -> None:
    program, header = made(HERE / f"{name}.c")
    session = Session(program)
    install(session.kernel, full=True)
    result = runner.run(session, max_cycles=MAX_CYCLES)
    assert result.message == ""
    assert compare(header, session.stdout, session.stderr, result.status, result.signal, None) == []
