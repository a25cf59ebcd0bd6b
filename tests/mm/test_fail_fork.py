"""Every allocation of fork fails once, for six shapes of parent (fork-path J, K)."""

from itertools import pairwise
from pathlib import Path

import pytest

from toykernel.check.fail import Injector, differences, fingerprint
from toykernel.check.invariants import check_all
from toykernel.check.owners import leaked_frames, leaked_objects
from toykernel.kernel_state import Config
from toykernel.mm import memory
from toykernel.mm.memory import ProtectedPte
from toykernel.session import Session

USERLAND = Path(__file__).parents[2] / "userland"
#: Shape, and the least number of allocations that its fork makes.
SHAPES = {"s": 9, "a": 100, "d": 9, "m": 15, "p": 11, "n": 18}
LIMIT = 200_000_000


def sweep(shape: str, *, eager: bool = False) -> tuple[Session, Injector]:
    """Run until a fork has failed at each of its allocations and then succeeded."""
    session = Session(USERLAND / "fork_shapes.S", [shape], config=Config(eager_fork=eager))
    injector = Injector(session.kernel, "fork")
    outcome = session.run(LIMIT)
    assert outcome.kind == "finished", outcome
    return session, injector


@pytest.mark.parametrize("shape", SHAPES)
def test_a_failed_fork_leaves_nothing(shape: str) -> None:  # J
    session, injector = sweep(shape)
    k = session.kernel
    assert session.stdout == b"the parent's memory is its own\n"
    assert k.program_status == 0
    assert len(injector.done) >= SHAPES[shape]
    numbers = [i.number for i in injector.done]
    rounds = numbers.count(1)
    assert rounds == (2 if shape == "n" else 1)
    assert all(b in (a + 1, 1) for a, b in pairwise(numbers))
    for injection in injector.done:
        assert injection.errno == "ENOMEM", injection
        assert not injection.left_behind, injection
    assert leaked_frames(k) == 0
    assert [leaked_objects(k, cache) for cache in k.caches()] == [0] * len(k.caches())
    check_all(k)


def test_the_points_have_names() -> None:
    _, injector = sweep("s")
    points = [injection.what for injection in injector.done]
    for what in ("task_struct", "kernel stack", "mm_struct", "pgd", "vm_area_struct", "page table"):
        assert what in points


def test_eager_fork_fails_at_every_page() -> None:  # K12
    _, injector = sweep("s", eager=True)
    points = [injection.what for injection in injector.done]
    assert points.count("eager copy") >= 3
    assert not any(injection.left_behind for injection in injector.done)


def test_a_forgotten_undo_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: without the write bits given back, the parent's tables differ."""

    def forget(k: object, mm: object, protected: list[ProtectedPte]) -> None:
        del k, mm, protected

    monkeypatch.setattr("toykernel.kernel.fork.unprotect_ptes", forget)
    _, injector = sweep("s")
    left = [name for i in injector.done for name in i.left_behind]
    assert any(name.startswith("page tables of mm") for name in left)
    assert memory.unprotect_ptes is not forget


def test_differences_are_named() -> None:
    session = Session(USERLAND / "hello.S")
    session.run()
    k = session.kernel
    before = fingerprint(k)
    assert not differences(before, fingerprint(k))
    k.pages.alloc_pages(0, "nobody's")
    k.vm_area_cachep.alloc()
    names = {line.partition(":")[0] for line in differences(before, fingerprint(k))}
    assert names == {"frame references", "free frames", "slab vm_area_struct"}


def test_the_nth_of_a_run() -> None:
    session = Session(USERLAND / "fork_shapes.S", ["s"])
    injector = Injector(session.kernel, "fork", 3)
    session.run(LIMIT)
    assert [(i.number, i.errno) for i in injector.done] == [(3, "ENOMEM")]
    assert injector.summary().startswith("allocation 3 of fork (")
    session = Session(USERLAND / "fork_shapes.S", ["s"])
    injector = Injector(session.kernel, "fork", 999)
    session.run(LIMIT)
    assert injector.done == []
    assert "no allocation 999" in injector.summary()
