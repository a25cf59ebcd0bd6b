"""What differs between the kernels that `--kernel` names, in one place (fork-path N).

The rest of the kernel asks its Profile; it never compares versions.
"""

from __future__ import annotations

from emu.record import dataclass
from toykernel.task import TASK_NEW, TASK_RUNNING, TASK_UNINTERRUPTIBLE


@dataclass(frozen=True)
class Profile:
    """One column of table N."""

    name: str
    release: str  # what uname says
    state_at_birth: int  # of a child, until it is woken for the first time
    scheduler: str  # goodness (counters) or cfs
    clone_pid: bool  # CLONE_PID exists, for pid 0 only
    newuser_refusals: bool  # NEWUSER+FS, SIGHAND+NEWUSER, SIGHAND+NEWPID
    clone_parent_keeps_leader_signal: bool  # D15 with CLONE_PARENT
    nproc_waits_for_exec: bool  # setuid beyond RLIMIT_NPROC works, and the next exec fails
    reserved_pids: int  # where numbers go on after pid_max


_2_6_39 = Profile(
    name="2.6.39",
    release="2.6.39",
    state_at_birth=TASK_RUNNING,
    scheduler="cfs",
    clone_pid=False,
    newuser_refusals=False,
    clone_parent_keeps_leader_signal=False,
    nproc_waits_for_exec=False,
    reserved_pids=300,
)

PROFILES: dict[str, Profile] = {
    "2.4": Profile(
        name="2.4",
        release="2.4.37",
        state_at_birth=TASK_UNINTERRUPTIBLE,
        scheduler="goodness",
        clone_pid=True,
        newuser_refusals=False,
        clone_parent_keeps_leader_signal=False,
        nproc_waits_for_exec=False,
        reserved_pids=300,
    ),
    "2.6.39": _2_6_39,
    "3.x": Profile(
        name="3.x",
        release="3.18.0",
        state_at_birth=TASK_RUNNING,
        scheduler="cfs",
        clone_pid=False,
        newuser_refusals=True,
        clone_parent_keeps_leader_signal=True,
        nproc_waits_for_exec=True,
        reserved_pids=300,
    ),
    "4.x": Profile(
        name="4.x",
        release="4.19.0",
        state_at_birth=TASK_NEW,
        scheduler="cfs",
        clone_pid=False,
        newuser_refusals=True,
        clone_parent_keeps_leader_signal=True,
        nproc_waits_for_exec=True,
        reserved_pids=300,
    ),
}
DEFAULT_PROFILE = _2_6_39
