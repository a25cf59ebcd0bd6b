"""A session to a file, and from one: what Session.save and Session.load do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from emu.errors import MachineError
from toykernel.harness.build import build
from toykernel.harness.recipe import LoadError
from toykernel.history import moment, savefile
from toykernel.history.errors import HistoryError
from toykernel.history.savefile import Saved
from toykernel.statehash import guest_data, state_hash
from userland.assembler import AssemblyError

if TYPE_CHECKING:
    from toykernel.harness.session import Session


def contents(session: Session) -> bytes:
    """A file of the session's moment, with the listeners that a copy has too. Raises HistoryError."""
    k = session.kernel
    moment.refuse_influence(k)
    saved = Saved(
        path=str(session.path),
        guest_path=session.guest_path,
        elf=session.elf,
        config=session.config,
        keep_output=bool(session._output),
        machine=k.machine.snapshot(),
        kernel=guest_data(k),
        listeners={
            name: (one.save_data(), dict(one.save_shared()))
            for name, one in session._own_listeners().items()
        },
        output={fd: bytes(text) for fd, text in session._output.items()},
        messages=len(k.host.trace.messages),
    )
    return savefile.contents(saved, state_hash(k))


def load(kind: type[Session], path: Path, console: Callable[[int, bytes], None] | None) -> Session:
    """A session at the moment of a file. Raises HistoryError."""
    import_module("toykernel.observe.cow_journal")  # whose events may be in the file
    saved, state = savefile.read(path)
    try:
        session = _revive(kind, saved, console)
        same = state_hash(session.kernel) == state
    except (MachineError, LookupError, TypeError, ValueError, AttributeError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise HistoryError(f"{path}: it is damaged: {what}") from None
    if not same:
        raise HistoryError(f"{path}: it is damaged: the state is not the one that was saved")
    return session


def _revive(
    kind: type[Session], saved: Saved, console: Callable[[int, bytes], None] | None
) -> Session:
    program = None
    with suppress(LoadError, AssemblyError):  # the source, when it still is this program's
        elf, program, *_ = build(Path(saved.path))
        program = program if elf == saved.elf else None
    session = kind._blank(
        *(Path(saved.path), saved.elf, program, saved.guest_path),
        *(saved.config, console, saved.keep_output),
    )
    own = session._own_listeners(saved.listeners)
    moment.become(
        session.kernel,
        session._output,
        saved.machine,
        saved.kernel,
        saved.output,
        saved.messages,
        {id(one): saved.listeners[name] for name, one in own.items()},
    )
    return session
