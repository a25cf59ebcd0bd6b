"""Every program, traced by ours and by the real strace on this machine's Linux: the same lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from modes import header
from native_linux import environment
from native_strace import native_trace, skip_unless_strace
from strace_normal import (
    CONTENTS,
    DISTINCT,
    ENDLESS,
    LAST_LOOKS,
    LOOKED,
    NUMBERS,
    STACK,
    STATUSES,
    TIMER_IDS,
    TIMES,
    UNINTERRUPTED,
    WITHOUT_CLONE,
    WITHOUT_JOINS,
    WITHOUT_YIELDS,
    Lines,
    comparable,
    merged,
)

from toykernel.harness.session import Session
from toykernel.observe.strace import Strace

USERLAND = Path(__file__).parents[2] / "userland"
CYCLES, FEW_CYCLES = 400_000_000, 3_000_000  # the longest sleep of a program; one without an end
TRIES = 20

#: Programs that the real strace cannot be asked about.
NOT_COMPARED = {
    "pid_wrap": "it wants kernel.pid_max at 310, and would meet this machine's other processes",
    "clone_refused_newer": "what it tries is refused by the kernels that are modelled, not by today's",
}
#: What must be left out of a trace besides numbers and addresses, and why.
NORMALISED: dict[str, tuple[Callable[[Lines], Lines], ...]] = {
    # Who runs first, and how often somebody looks for somebody else, is the scheduler's choice.
    **dict.fromkeys(
        (
            *("clone_parent", "cow_by_kernel", "cow_first_writer"),
            *("history_missing_count", "nproc_limit"),
            *("pid_namespace", "signal_flags", "signal_orphan", "subreaper", "zombie"),
        ),
        (DISTINCT,),
    ),
    # A tracer is woken by signals that do nothing, and then sleeps begin anew.
    **dict.fromkeys(
        ("signal_jobs", "signal_stop", "signal_threads"), (DISTINCT, UNINTERRUPTED, STACK)
    ),
    **dict.fromkeys(("sleep", "timers", "signal_restart", "signal_resume"), (TIMES, UNINTERRUPTED)),
    # Today's kernels give a timer's number away once only.
    "timers_posix": (TIMES, UNINTERRUPTED, TIMER_IDS),
    **dict.fromkeys(("groups_sessions", "orphan"), (LAST_LOOKS,)),
    "clone_shapes": (WITHOUT_YIELDS,),
    "thread_join": (WITHOUT_JOINS,),
    "exec_from_thread": (WITHOUT_CLONE, DISTINCT),
    "fork_bomb_small": (DISTINCT, STACK),
    "fork_return": (STATUSES,),  # its status is a pid
    "history_held_page": (CONTENTS,),  # it writes an address
    "priority_group": (TIMES, LOOKED, DISTINCT),
    "infinite_loop": (ENDLESS,),
    "inherited_lock": (CONTENTS, WITHOUT_JOINS, DISTINCT, ENDLESS),
}
NORMALISED["pid_namespace"] = (NUMBERS, DISTINCT)
#: Which thread of a group takes a signal is the scheduler's choice, too: their lines are put together.
MERGED = frozenset(("signal_jobs", "signal_threads"))
ENDLESS_PROGRAMS = frozenset(("infinite_loop", "inherited_lock"))
#: Not in a session of their own, as the tracer would be in the program's group.
NOT_LEADING = frozenset(("priority_group",))
#: Writing to a terminal: it takes all of a write or nothing, as our console; a file takes a part.
TERMINAL = frozenset(("bad_pointer",))
COMPARED = sorted(path.stem for path in USERLAND.glob("*.S") if path.stem not in NOT_COMPARED)


@pytest.fixture(scope="module")
def _strace_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    skip_unless_strace(tmp_path_factory.mktemp("probe"))


def our_trace(path: Path, args: tuple[str, ...], env: dict[str, str], cycles: int) -> str:
    """Our trace of a program."""
    lines: list[bytes] = []
    session = Session(path, args, env=env)
    strace = Strace(session.kernel, lines.append, every_line_has_pid=True)
    session.run(cycles)
    strace.close()
    return b"".join(lines).decode()


def told(name: str, text: str) -> list[Lines]:
    """What of a program's trace must be the same."""
    found = comparable(text, NORMALISED.get(name, ()))
    return merged(found) if name in MERGED else found


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.usefixtures("_strace_works")
def test_the_real_strace_says_the_same(name: str, tmp_path: Path) -> None:
    """In one of the orders that Linux takes: a loaded machine may take a strange one."""
    path = USERLAND / f"{name}.S"
    wanted = header(path)
    env = environment(wanted) if "--env" in wanted.options else {}
    endless = name in ENDLESS_PROGRAMS
    ours = told(name, our_trace(path, wanted.args, env, FEW_CYCLES if endless else CYCLES))
    for _ in range(TRIES):
        native = native_trace(
            path,
            tmp_path,
            wanted.args,
            env,
            leads=name not in NOT_LEADING,
            endless=endless,
            terminal=name in TERMINAL,
        )
        theirs = told(name, native)
        if ours == theirs:
            break
    assert ours == theirs


def test_what_is_left_out_is_a_program() -> None:
    names = {path.stem for path in USERLAND.glob("*.S")}
    assert {*NOT_COMPARED, *NORMALISED, *MERGED, *ENDLESS_PROGRAMS} <= names
