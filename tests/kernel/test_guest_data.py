"""What can be reached from a Kernel is plain data of the guest's, or the one Host record, or the Machine."""

import pickle
import types
from array import array
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from sortedcontainers import SortedDict

from toykernel import run_loop
from toykernel.check.fail import Injector
from toykernel.check.invariants import install
from toykernel.harness.images import boot_images
from toykernel.harness.session import Session
from toykernel.harness.stripped import without_debug
from toykernel.host import HOST_TYPES
from toykernel.kernel.wait import Wait, WaitQueue
from toykernel.observe.cow_journal import CowJournal
from toykernel.power_on import power_on
from toykernel.state import Kernel, Outcome, OutcomeKind
from toykernel.statehash import guest_data, state_hash

USERLAND = Path(__file__).parents[2] / "userland"
#: Together they sleep on everything that there is to sleep on.
PROGRAMS = (
    *("fork_sample", "vfork_order", "pipe_talk", "sem_undo", "sleep", "timers", "timers_posix"),
    *(
        "thread_join",
        "inherited_lock",
        "signal_wait",
        "signal_stop",
        "exec_from_thread",
        "fpu_state",
    ),
    *("shared_memory", "mmap_file", "clone_io", "clone_namespaces", "pid_namespace", "kernel_read"),
)
ATOMS = (bool, int, float, str, bytes, bytearray, array, Enum, type(None))
CONTAINERS = (list, dict, tuple, set, frozenset, SortedDict)


def fields(value: Any) -> dict[str, Any]:
    """What an object holds by name."""
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return held | dict(getattr(value, "__dict__", {}))


def unfit(value: Any, path: str, seen: dict[int, Any]) -> Iterator[str]:
    """Where there is something that is no plain data."""
    if isinstance(value, ATOMS) or id(value) in seen:
        return
    seen[id(value)] = value
    if isinstance(value, types.FunctionType):
        if "<" in value.__qualname__ or value.__closure__:
            yield f"{path}: {value.__module__}.{value.__qualname__} is no function of a module"
    elif isinstance(value, HOST_TYPES) or callable(value):
        yield f"{path}: a {type(value).__name__}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from unfit(key, f"{path} key", seen)
            yield from unfit(item, f"{path}[{key!r:.20}]", seen)
    elif isinstance(value, CONTAINERS):
        for number, item in enumerate(value):
            yield from unfit(item, f"{path}[{number}]", seen)
    elif type(value).__module__.startswith("toykernel."):
        for name, item in fields(value).items():
            yield from unfit(item, f"{path}.{name}", seen)
    else:
        yield f"{path}: a {type(value).__module__}.{type(value).__qualname__}"


def all_unfit(k: Kernel) -> list[str]:
    seen: dict[int, Any] = {}
    return [text for name, part in guest_data(k).items() for text in unfit(part, name, seen)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_guests_part_is_plain_data(program: str) -> None:
    """Whoever listens, checks or injects failures meanwhile."""
    session = Session(USERLAND / f"{program}.S")
    k = session.kernel
    install(k)
    CowJournal(k)
    Injector(k, nth=10_000)
    limit = 0
    while session.outcome is None and limit < 20_000:
        limit += 97
        session.run(limit)
        assert all_unfit(k) == []
    assert len(pickle.loads(pickle.dumps(guest_data(k)))) == len(guest_data(k))


def test_it_comes_back_from_a_pickle() -> None:
    """With the host's part put back, the state is the same."""
    session = Session(USERLAND / "pipe_talk.S")
    session.run(900)
    k = session.kernel
    before = state_hash(k)
    for name, value in pickle.loads(pickle.dumps(guest_data(k))).items():
        setattr(k, name, value)
    assert state_hash(k) == before
    session.run()
    assert session.stats.program_status == 0


def test_a_kernel_without_observers_is_the_same() -> None:
    """Nobody listens, the kernel calls nobody, and comes to the same state."""
    session = Session(USERLAND / "fork_sample.S")
    path = session.guest_path
    files = {path: without_debug(session.elf)}
    k = power_on(files, path, [path.encode()], images=boot_images(session.config))
    assert not any(isinstance(value, list) and value for value in vars(k.host.trace).values())
    assert run_loop.run(k) == Outcome(OutcomeKind.FINISHED) == session.run()
    assert state_hash(k) == state_hash(session.kernel)
    assert session.stats.forks["fork"] == 1


def test_the_walk_finds_what_does_not_belong() -> None:
    session = Session(USERLAND / "fork_sample.S")
    session.run(500)
    k = session.kernel
    task = k.current
    for wrong, said in (
        (k.machine, "a Machine"),
        (k.host, "a Host"),
        (k.machine.ram.read, "a method"),
        (lambda: 0, "no function of a module"),
        (object(), "a builtins.object"),
    ):
        task.wait = Wait(WaitQueue("test"), install, (wrong,), "")
        assert any(said in text for text in all_unfit(k)), said
    task.wait = None
    assert all_unfit(k) == []
    task.wait = Wait(WaitQueue("test"), install, (k.machine,), "")
    with pytest.raises(TypeError, match="holds a Machine"):
        state_hash(k)
