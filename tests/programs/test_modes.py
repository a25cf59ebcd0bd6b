"""Every program under userland/, in every way it can be run: as its header says, and always the same.

Compared are output, exit status, signal, cycles, instructions and a hash of the whole machine with its
kernel at the end.
"""

from functools import cache
from pathlib import Path

import modes
import pytest
from native_linux import PROGRAMS, environment, run

from toykernel.check import invariants
from toykernel.harness.comparison import compare
from toykernel.harness.session import Session

ODD = 997  # a prime, so that slices end everywhere

by_program = pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)


@cache
def reference(source: Path) -> modes.Run:
    """The plain run that the others are held against."""
    return modes.plain(source)


def check_same(source: Path, other: modes.Run) -> None:
    """Fails naming the parts of the state that differ."""
    wanted = reference(source)
    assert other.outside == wanted.outside
    assert other.report == wanted.report
    if other.hash != wanted.hash:
        parts, others = wanted.parts(), other.parts()
        differing = [name for name in parts if parts[name] != others[name]]
        raise AssertionError(f"the final state differs in {', '.join(differing)}")


@by_program
def test_the_header_holds(source: Path) -> None:
    got = reference(source)
    wanted = modes.header(source)
    differences = compare(wanted, got.stdout, got.stderr, got.status, got.signal, got.report)
    assert not differences, "\n".join(differences)


@by_program
def test_nothing_is_left(source: Path) -> None:
    got = reference(source)
    if got.kind == "finished":
        assert got.report["frames"]["leaked"] == 0
        assert [t.pid for t in got.session.kernel.processes.tasks] == [0, 1]


@by_program
def test_twice_in_a_row(source: Path) -> None:
    check_same(source, modes.plain(source))


@by_program
def test_stepped(source: Path) -> None:
    check_same(source, modes.stepped(source, reference(source)))


@by_program
def test_in_slices(source: Path) -> None:
    check_same(source, modes.sliced(source, ODD))


@by_program
def test_with_every_tracepoint_heard(source: Path) -> None:
    heard: dict[str, int] = {}
    check_same(
        source,
        modes.plain(source, lambda session: heard.update(h=modes.listen_everywhere(session))),
    )
    counts: dict[str, int] = heard["h"]  # type: ignore[assignment]
    for name in ("sys_enter", "gate", "set_pte", "process_exec", "sched_switch", "to_user"):
        assert counts[name], f"nobody called trace.{name}"


@by_program
def test_watched_by_everything(source: Path) -> None:
    """Under the profile of the command line, where what the kernel does has its price, and looking none."""
    assert reference(source).report["timing"]["profile"] == "i486"
    check_same(source, modes.watched(source))


@by_program
def test_with_invariants_checked(source: Path) -> None:
    checked = modes.plain(source, modes.check_after_traps)
    check_same(source, checked)
    invariants.check_all(checked.session.kernel)


@by_program
def test_with_the_python_driver(source: Path) -> None:
    instructions = reference(source).instructions
    if instructions > modes.STEPS * 5:
        pytest.skip(f"{instructions:,} instructions are too many for the reference model")
    check_same(source, modes.python_driver(source))


@by_program
@pytest.mark.usefixtures("linux32")
def test_the_same_file_on_linux(source: Path, tmp_path: Path) -> None:
    wanted = modes.header(source)
    if wanted.native_refusal is not None:
        pytest.skip(f"{source.name} is not for a real Linux: {wanted.native_refusal}")
    session, _ = modes.new_session(source)
    program = tmp_path / source.stem
    program.write_bytes(session.elf)
    program.chmod(0o755)
    stdout, stderr, status, signal = run(program, wanted.args, environment(wanted))
    got = reference(source)
    assert sorted(stdout.splitlines()) == sorted(got.stdout.splitlines())
    assert (stderr, status, signal) == (got.stderr, got.status, got.signal)


def test_the_hash_sees_everything() -> None:
    """One changed bit anywhere is another state."""
    source = next(p for p in PROGRAMS if p.stem == "fork_sample")

    def half_way() -> Session:
        session, _ = modes.new_session(source)
        limit = 500
        session.run(limit)
        while session.kernel.current.mm is None:  # between two tasks
            limit += 1
            session.run(limit)
        return session

    def hash_after(change: str) -> str:
        session = half_way()
        k = session.kernel
        exec(change, {"k": k, "m": k.machine})
        return modes.state_hash(k)

    same = hash_after("")
    assert same == hash_after("")
    for change in (
        "m.ram.write32(0x9000, m.ram.read32(0x9000) ^ 1)",
        "m.ram.write32(m.ram.size - 4, 1)",
        "m.cpu.ebx ^= 1",
        "m.cpu.set_dr(0, 4)",
        "m.clock.charge('x', 1)",
        "m.timer.write(0x40, 4, 77)",
        "k.time.jiffies += 1",
        "k.current.pid += 1",
        "k.current.pending[9] = {}",
        "k.current.thread.cr2 = 1",
        "k.current.children.append(k.sched.idle)",
        "next(iter(k.current.mm)).vm_flags ^= 2",
        "k.current.mm.stale[4096] = None",
        "k.memory.pages._count[900] += 1",
        "k.processes.pids.last += 1",
        "k.memory.slabs.mm.alloc(k)",
    ):
        assert hash_after(change) != same, change
