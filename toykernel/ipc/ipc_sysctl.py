"""Limits of System V's objects and of POSIX's queues (ipc/ipc_sysctl.c, mq_sysctl.c), of one namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.ipc.mqueue import HARD_MSGMAX, HARD_MSGSIZEMAX
from toykernel.ipc.util import SEQ_MULTIPLIER

if TYPE_CHECKING:
    from toykernel.state import Kernel

_INT_MAX, _ULONG_MAX = (1 << 31) - 1, (1 << 32) - 1
#: By name: which objects' (attribute of struct ipc_namespace), which limit, lowest and highest value.
LIMITS = {
    "kernel.msgmax": ("msg_ids", "ctlmax", 0, _INT_MAX),
    "kernel.msgmnb": ("msg_ids", "ctlmnb", 0, _INT_MAX),
    "kernel.msgmni": ("msg_ids", "ctlmni", 0, SEQ_MULTIPLIER),
    "kernel.msg_next_id": ("msg_ids", "next_id", 0, _INT_MAX),
    "kernel.shmmax": ("shm_ids", "ctlmax", 0, _ULONG_MAX),
    "kernel.shmall": ("shm_ids", "ctlall", 0, _ULONG_MAX),
    "kernel.shmmni": ("shm_ids", "ctlmni", 0, SEQ_MULTIPLIER),
    "kernel.shm_next_id": ("shm_ids", "next_id", 0, _INT_MAX),
    "kernel.sem_next_id": ("sem_ids", "next_id", 0, _INT_MAX),
    "fs.mqueue.queues_max": ("mq_ids", "queues_max", 0, _INT_MAX),
    "fs.mqueue.msg_max": ("mq_ids", "msg_max", 1, HARD_MSGMAX),
    "fs.mqueue.msgsize_max": ("mq_ids", "msgsize_max", 128, HARD_MSGSIZEMAX),
}
_SEM = ("semmsl", "semmns", "semopm", "semmni")


def get_limit(k: Kernel, name: str) -> int:
    """A limit of the current task's namespace."""
    ids, attribute, _, _ = LIMITS[name]
    value: int = getattr(getattr(k.current.nsproxy.ipc_ns, ids), attribute)
    return value


def set_limit(k: Kernel, name: str, value: int) -> None:
    """Another limit, which the caller has checked."""
    ids, attribute, _, _ = LIMITS[name]
    setattr(getattr(k.current.nsproxy.ipc_ns, ids), attribute, value)


def get_sem(k: Kernel) -> str:
    """kernel.sem: semaphores of a set, of all sets, operations of a call, sets."""
    ids = k.current.nsproxy.ipc_ns.sem_ids
    return "\t".join(str(getattr(ids, name)) for name in _SEM)


def set_sem(k: Kernel, text: str) -> None:
    """The first of the four, as many as there are. Raises ValueError for what is no number, or more than sets
    can be.
    """
    ids = k.current.nsproxy.ipc_ns.sem_ids
    numbers = [int(word) for word in text.split()]
    if any(number < 0 for number in numbers) or len(numbers) > len(_SEM):
        raise ValueError(text)
    if len(numbers) == len(_SEM) and numbers[3] > SEQ_MULTIPLIER:
        raise ValueError(text)
    for name, number in zip(_SEM, numbers, strict=False):
        setattr(ids, name, number)
