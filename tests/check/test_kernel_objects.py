"""Every kind of kernel object through the same mill: nothing of it is left, each allocation on its way
fails in turn and leaves nothing, a run goes on from its middle as it would have (again, from a file, in
another process), and the state's hash tells two states that differ in it only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from native_linux import ask_linux, skip_unless_linux32

from toykernel.check.fail import differences, fingerprint
from toykernel.check.invariants import check_all, install
from toykernel.check.objects import there_is
from toykernel.check.points import FORKS, FaultPoints
from toykernel.harness.session import Session
from toykernel.look.frames import leaked_frames, leaked_objects
from toykernel.look.program import of_program
from toykernel.state import Config, Kernel
from toykernel.statehash import guest_data, state_hash
from toykernel.task import Task

SOURCE = Path(__file__).parent / "objects" / "objects.c"
FLAGS = ("-m32", "-static", "-nostdlib", "-ffreestanding", "-fno-pic", "-no-pie", "-O1", "-w")
LIMIT = 200_000_000
#: By object: what is allocated for it, and the records in which the kernel keeps it.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "socket": ({"unix_sock", "skbuff_head_cache", "filp"}, {"UnixSock", "Skb", "UnixTable"}),
    "epoll": ({"eventpoll", "eventpoll_epi"}, {"EventPoll", "EpItem"}),
    "events": (
        {"eventfd_ctx", "timerfd_ctx", "signalfd_ctx"},
        {"EventfdCtx", "TimerfdCtx", "SignalfdCtx", "HrTimer"},
    ),
    "lock": ({"file_lock_cache", "filp"}, {"FileLock", "FileLockContext"}),
    "memfd": ({"filp", "vm_area_struct"}, {"Inode", "FileBytes"}),
    "fifo": ({"pipe_inode_info", "filp"}, {"Pipe", "PipeBuffer"}),
    "mount": ({"mnt_cache"}, {"Mount", "SuperBlock"}),
    "pty": ({"tty_struct"}, {"TtyStruct", "Termios"}),
    "sysv": (
        {"msg_queue", "msg_msg", "sem_array", "sem_undo_list", "shmid_kernel"},
        {"MsgQueue", "MsgMsg", "SemArray", "SemUndoList", "ShmidKernel"},
    ),
    "posix": ({"mqueue_inode_cache", "msg_msg"}, {"MqueueInfo", "MqIds", "MsgMsg"}),
    "seccomp": ({"seccomp_filter"}, {"SeccompFilter"}),
    "pidfd": ({"filp"}, {"Pid", "File"}),
    "ptrace": (set(), {"Task"}),
    "userfaultfd": ({"userfaultfd_ctx_cache", "filp"}, {"UserfaultfdCtx", "UserfaultfdWait"}),
    "lease": ({"file_lease_cache", "fasync_cache"}, {"Lease", "Fasync", "NsCommon"}),
    "aio": ({"kioctx", "aio_kiocb", "eventfd_ctx", "page cache"}, {"Kioctx", "AioKiocb"}),
    "keys": ({"key_jar", "cred"}, {"Key", "KeyTable", "KeyUser"}),
    "inotify": (
        {"fsnotify_group", "inotify_inode_mark"},
        {"InotifyGroup", "Mark", "FsnotifyTable"},
    ),
    "dnotify": ({"dnotify_struct"}, {"DnotifyGroup", "Mark", "FsnotifyTable"}),
    "ldt": ({"LDT"}, {"MmStruct"}),
    "landlock": ({"landlock_ruleset", "cred"}, {"LandlockRuleset", "LandlockDomain"}),
    "acct": ({"filp"}, {"BsdAcct"}),
    "fscontext": ({"fs_context", "mnt_cache", "filp"}, {"FsContext", "Mount", "PeerGroup"}),
    "mountns": ({"mnt_namespace", "mnt_cache"}, {"MntNamespace", "Mount"}),
}
USER_PAGES = ("anonymous page", "cow copy", "page table")
by_object = pytest.mark.parametrize("name", OBJECTS)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    path = tmp_path_factory.mktemp("objects") / "objects"
    subprocess.run(
        ["gcc", *FLAGS, "-fno-stack-protector", str(SOURCE), "-o", str(path)], check=True
    )
    return path


def boot(program: Path, name: str) -> Session:
    return Session(program, [name], config=Config(memory=4 << 20))


def finish(session: Session) -> dict[str, Any]:
    """Run to the end: all that two runs could differ in."""
    outcome = session.run(LIMIT)
    assert outcome.kind == "finished", outcome
    return {
        "output": session.stdout.decode(),
        "status": session.stats.program_status,
        "report": session.report(),
        "hash": state_hash(session.kernel),
    }


def to_the_middle(session: Session) -> None:
    """To the moment at which the object is there, with something in it."""
    point = session.break_at("moment_here")
    assert session.run(LIMIT).kind == "breakpoint"
    session.delete(point.number)


def kept(k: Kernel) -> dict[str, object]:
    """What lives on when all programs have ended, of everything that a kernel counts."""
    fs = k.files.fs
    every = ["timers", "terminals", "System V and POSIX objects", "mounts"]
    every += [f"{sb.s_type} {sb.s_dev}" for sb in (*fs.super_blocks(), fs.pipefs, fs.shm)]
    state = there_is(k)
    return {name: state[name] for name in every} | {c.name: c.active for c in k.memory.slabs}


# -- nothing is left -------------------------------------------------------------------------------


@by_object
def test_nothing_of_it_is_left(name: str, program: Path) -> None:
    empty = boot(program, "nothing")
    finish(empty)
    session = boot(program, name)
    install(session.kernel)
    finish(session)
    k = session.kernel
    assert session.stdout.endswith(b"the end\n")
    assert session.stats.program_status == 0
    check_all(k)
    assert leaked_frames(k) == 0
    assert leaked_objects(k) == {}
    assert differences(kept(empty.kernel), kept(k)) == []


@by_object
def test_it_is_the_same_on_linux(name: str, program: Path, tmp_path: Path) -> None:
    skip_unless_linux32(tmp_path)
    there = ask_linux([str(program), name], cwd=tmp_path, timeout=20)
    if any(f"{call} -1".encode() in there.stdout for call in ("mount", "mknod")):
        pytest.skip("this Linux does not let the program do that")
    assert finish(boot(program, name))["output"] == there.stdout.decode()


# -- every allocation fails ------------------------------------------------------------------------


class EveryCall:
    """Lets each call fail at its first allocation, made again at its second, … until it succeeds."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.failed: list[tuple[int, str, list[str]]] = []
        self._points = FaultPoints(k)
        allocation = k.host.may_fail
        assert allocation is not None

        def may_fail(what: str) -> None:
            if (
                what not in USER_PAGES
            ):  # a copy to memory that is not there is EFAULT, and takes what it took
                allocation(what)

        k.host.may_fail = may_fail
        self._target: dict[int, tuple[int, int]] = {}  # by pid: the call, and which point
        self._before: dict[str, object] = {}
        self._switches = 0
        k.host.trace.sys_enter.append(self._enter)
        k.host.trace.sys_exit.append(self._exit)

    def _enter(self, task: Task, number: int, _words: list[int]) -> None:
        if number in FORKS or not of_program(task):
            return
        call, target = self._target.get(task.pid, (number, 1))
        if call != number:
            target = 1
        self._target[task.pid] = (number, target)
        self._before = fingerprint(self.k)
        self._switches = task.se.nvcsw
        self._points.begin(task, number, target)

    def _exit(self, task: Task, number: int, result: int) -> None:
        if task is not self._points.caller:
            return
        self._points.end()
        point = self._points.failed
        if point is None:
            self._target.pop(task.pid, None)
            return
        self._target[task.pid] = (number, self._target[task.pid][1] + 1)
        left: list[str] = []
        if result < 0 and task.se.nvcsw == self._switches:
            left = differences(self._before, fingerprint(self.k))
        self.failed.append((number, point.what, left))


@by_object
def test_every_allocation_fails_once_and_nothing_is_left(name: str, program: Path) -> None:
    plain = boot(program, name)
    wanted = finish(plain)
    session = boot(program, name)
    every = EveryCall(session.kernel)
    assert finish(session)["output"] == wanted["output"]
    what = {what for _, what, _ in every.failed}
    assert OBJECTS[name][0] <= what
    assert [one for one in every.failed if one[2]] == []
    k = session.kernel
    check_all(k)
    assert leaked_frames(k) == 0
    assert differences(kept(plain.kernel), kept(k)) == []


# -- from the middle -------------------------------------------------------------------------------


@by_object
def test_from_its_middle_twice_to_the_end(name: str, program: Path) -> None:
    session = boot(program, name)
    to_the_middle(session)
    then = state_hash(session.kernel)
    moment = session.snapshot()
    first = finish(session)
    session.restore(moment)
    assert state_hash(session.kernel) == then
    check_all(session.kernel)
    assert finish(session) == first
    assert first["output"].endswith("the end\n")


ELSEWHERE = """
import json, sys
from toykernel.harness.session import Session
from toykernel.statehash import state_hash
session = Session.load(sys.argv[1])
middle = state_hash(session.kernel)
session.run(int(sys.argv[2]))
print(json.dumps([middle, session.stdout.decode(), state_hash(session.kernel)]))
"""


def test_all_of_them_from_a_file_in_another_process(program: Path, tmp_path: Path) -> None:
    session = boot(program, "everything")
    to_the_middle(session)
    check_all(session.kernel)
    session.save(tmp_path / "moment")
    middle = state_hash(session.kernel)
    end = finish(session)
    for name in OBJECTS:
        assert f"{name} ends 0\n" in end["output"]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "moment"), str(LIMIT)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [middle, end["output"], end["hash"]]


# -- the state's hash ------------------------------------------------------------------------------


def records_of(k: Kernel, names: set[str]) -> Iterator[Any]:
    """Every record of these types in the guest's data, each once."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = list(guest_data(k).values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, str | bytes | int | float | bytearray | type) or value is None:
            continue
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, dict) or hasattr(value, "items"):
            waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else []
        if isinstance(value, list | tuple | set | frozenset):
            waiting += value
        waiting += vars(value).values() if hasattr(value, "__dict__") else []
        if type(value).__name__ in names:
            yield value


def other(value: Any) -> Any:
    """Another value of its kind; the same one for what has none that is simple."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case bytes() | bytearray():
            return value + b"x"
        case str():
            return value + "x"
        case list():
            return value[:-1] if value else [0]
        case set():
            return value ^ {4711}
        case dict():
            return dict(list(value.items())[:-1]) if value else {4711: 0}
        case None:
            return 4711
    return value


@by_object
def test_two_states_that_differ_in_it_hash_differently(name: str, program: Path) -> None:
    session = boot(program, name)
    to_the_middle(session)
    k = session.kernel
    before = state_hash(k)
    found: set[str] = set()
    same = []
    records = list(records_of(k, OBJECTS[name][1]))
    if name == "ptrace":
        records = [task for task in records if task.ptrace or task.ptraced]
        assert len(records) == 2
    for record in records:
        kind = type(record).__name__
        if kind in found and kind != "Task":
            continue
        found.add(kind)
        for field, value in vars(record).items():
            if name == "ptrace" and field not in ("ptrace", "ptraced", "parent", "last_siginfo"):
                continue
            changed = other(value)
            if changed is value:
                continue
            object.__setattr__(record, field, changed)
            if state_hash(k) == before:
                same.append(f"{kind}.{field}")
            object.__setattr__(record, field, value)
    assert found == OBJECTS[name][1]
    assert same == []
    assert state_hash(k) == before
