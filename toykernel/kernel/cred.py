"""Who a task is (kernel/cred.c, kernel/user.c): credentials, capabilities, and counts per user."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import field
from typing import TYPE_CHECKING

from emu.record import dataclass, twin
from toykernel.kernel.clone_flags import CLONE_NEWUSER, CLONE_THREAD
from toykernel.kernel.landlock import put_domain

if TYPE_CHECKING:
    from toykernel.kernel.clone_flags import CloneArgs
    from toykernel.kernel.keys.key import Key
    from toykernel.kernel.landlock import LandlockDomain
    from toykernel.state import Kernel
    from toykernel.task import Task

CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL = range(6)
CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 6, 7, 8
CAP_LINUX_IMMUTABLE, CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_IPC_OWNER = 9, 12, 14, 15
CAP_SYS_RAWIO, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_SYS_PACCT = 17, 18, 19, 20
CAP_SYS_ADMIN, CAP_SYS_BOOT = 21, 22
CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME = 23, 24, 25
CAP_SYS_TTY_CONFIG = 26
CAP_MKNOD, CAP_LEASE, CAP_SETFCAP, CAP_MAC_OVERRIDE = 27, 28, 31, 32
CAP_CHECKPOINT_RESTORE = 40  # of later kernels
CAP_LAST_CAP = 34
CAP_FULL_SET = (1 << (CAP_LAST_CAP + 1)) - 1
#: setfsuid and the like trade only these (linux/capability.h: CAP_FS_SET).
CAP_FS_MASK = 1 << CAP_CHOWN | 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH | 1 << CAP_FOWNER
CAP_FS_MASK |= 1 << CAP_FSETID | 1 << CAP_MKNOD | 1 << CAP_LINUX_IMMUTABLE | 1 << CAP_MAC_OVERRIDE

#: struct uid_gid_extent: the first id in a namespace, the first in the one above it, how many.
Extent = tuple[int, int, int]
#: What an id looks like that a namespace has no name for.
OVERFLOW_ID = 65534


@dataclass(eq=False)
class UserNamespace:
    """struct user_namespace: users by id; two namespaces have different users of the same id.

    `owner` and `group` are the effective ids of who made it. Each map is set once.
    """

    slab: int
    count: int = 1
    parent: UserNamespace | None = None
    owner: int = 0
    group: int = 0
    uid_map: tuple[Extent, ...] = ()
    gid_map: tuple[Extent, ...] = ()
    setgroups_denied: bool = False
    users: dict[int, UserStruct] = field(default_factory=dict)


@dataclass(eq=False)
class UserStruct:
    """struct user_struct: one record a user id, for as long as somebody has it."""

    slab: int
    uid: int
    ns: UserNamespace
    count: int = 1
    processes: int = 0
    mq_bytes: int = 0  # of POSIX message queues
    pipe_bufs: int = 0  # pages that its pipes may hold


@dataclass(eq=False)
class Cred:
    """struct cred: ids, groups and capability sets (bit sets). Never changed once a task has it."""

    slab: int
    user: UserStruct
    count: int = 1
    uid: int = 0
    gid: int = 0
    suid: int = 0
    sgid: int = 0
    euid: int = 0
    egid: int = 0
    fsuid: int = 0
    fsgid: int = 0
    groups: tuple[int, ...] = ()
    cap_inheritable: int = 0
    cap_permitted: int = 0
    cap_effective: int = 0
    cap_bset: int = 0
    cap_ambient: int = 0  # never more than permitted and inheritable
    securebits: int = 0
    thread_keyring: Key | None = None
    process_keyring: Key | None = None
    session_keyring: Key | None = None
    landlock: LandlockDomain | None = None  # what it has given up
    jit_keyring: int = 0  # KEY_REQKEY_DEFL_: where a key goes that was asked for

    @property
    def keyrings(self) -> list[Key]:
        """Those that it refers to."""
        three = self.thread_keyring, self.process_keyring, self.session_keyring
        return [ring for ring in three if ring is not None]


def capable(k: Kernel, cap: int, task: Task | None = None) -> bool:
    """Whether a task (the current one) has a capability in effect."""
    return bool((task or k.current).cred.cap_effective & 1 << cap)


def owner_of(k: Kernel, user_ns: UserNamespace | None) -> UserNamespace:
    """The owner that a namespace of another kind notes: none stands for the first (init_user_ns)."""
    return user_ns or k.sched.idle.cred.user.ns


def ns_capable(k: Kernel, ns: UserNamespace, cap: int) -> bool:
    """cap_capable: whether the caller has a capability over what `ns` owns: in that namespace, in one above
    it, or by having made it or one between."""
    cred, at = k.current.cred, ns
    while at is not cred.user.ns:
        if at.parent is None:
            return False
        if at.parent is cred.user.ns and at.owner == cred.euid:
            return True
        at = at.parent
    return bool(cred.cap_effective & 1 << cap)


def cap_full_set(k: Kernel) -> int:
    """Every capability that this kernel knows."""
    return (2 << k.host.profile.last_cap) - 1


def init_cred(k: Kernel) -> Cred:
    """The first credentials: root's, everything permitted, in no cache."""
    full = cap_full_set(k)
    ns = UserNamespace(0)
    root = ns.users[0] = UserStruct(0, 0, ns, count=2, processes=1)
    return Cred(0, root, cap_permitted=full, cap_effective=full, cap_bset=full)


def alloc_uid(k: Kernel, ns: UserNamespace, uid: int) -> UserStruct:
    """The user's record with one more reference. Raises Errno(ENOMEM)."""
    user = ns.users.get(uid)
    if user is None:
        user = ns.users[uid] = UserStruct(k.memory.slabs.uid.alloc(k), uid, ns, count=0)
        ns.count += 1
    user.count += 1
    return user


def free_uid(k: Kernel, user: UserStruct) -> None:
    """Give a reference back; the last one frees the record."""
    user.count -= 1
    if not user.count:
        ns = user.ns
        del ns.users[user.uid]
        k.memory.slabs.uid.free(k, user.slab)
        put_user_ns(k, ns)


def get_user_ns(cred: Cred) -> UserNamespace:
    """The user namespace of some credentials, with one more reference."""
    ns = cred.user.ns
    ns.count += 1
    return ns


def put_user_ns(k: Kernel, ns: UserNamespace) -> None:
    """One reference less; the last one frees the namespace's record."""
    ns.count -= 1
    if not ns.count:
        k.memory.slabs.user_ns.free(k, ns.slab)
        if ns.parent is not None:
            put_user_ns(k, ns.parent)


def create_user_ns(k: Kernel, new: Cred) -> None:
    """Make credentials those of the first in a new user namespace: its root, or nobody until its maps are
    written. Raises Errno(ENOMEM).
    """
    first = OVERFLOW_ID if k.host.profile.unmapped_ids else 0
    with ExitStack() as undo:
        slab = k.memory.slabs.user_ns.alloc(k)
        ns = UserNamespace(slab, 1, get_user_ns(new), new.euid, new.egid)
        ns.setgroups_denied = new.user.ns.setgroups_denied
        undo.callback(put_user_ns, k, ns)
        root = alloc_uid(k, ns, first)
        undo.pop_all()
    put_user_ns(k, ns)  # the user holds it from now on
    free_uid(k, new.user)
    new.user = root
    new.uid = new.gid = new.suid = new.sgid = new.euid = new.egid = new.fsuid = new.fsgid = first
    new.groups = ()


def prepare_creds(k: Kernel, old: Cred | None = None) -> Cred:
    """A copy of the current task's credentials (of `old`), to be changed and committed. Errno(ENOMEM)."""
    old = old or k.current.cred
    slab = k.memory.slabs.cred.alloc(k)
    new = twin(old)
    new.slab, new.count = slab, 1
    new.user.count += 1
    for ring in new.keyrings:
        ring.count += 1
    if new.landlock is not None:
        new.landlock.count += 1
    return new


def put_cred(k: Kernel, cred: Cred) -> None:
    """Give a reference back; the last one lets go of the user and frees the record."""
    cred.count -= 1
    if not cred.count:
        for ring in cred.keyrings:
            ring.put(k)
        put_domain(k, cred.landlock)
        free_uid(k, cred.user)
        k.memory.slabs.cred.free(k, cred.slab)


def commit_creds(k: Kernel, new: Cred) -> None:
    """Install credentials; the process counts for its new user from now on."""
    task = k.current
    old, task.cred = task.cred, new
    ring = new.thread_keyring
    if ring is not None and (new.fsuid, new.fsgid) != (old.fsuid, old.fsgid):
        ring.follow(new)
    if new.user is not old.user:
        new.user.processes += 1
        old.user.processes -= 1
    put_cred(k, old)


def copy_creds(k: Kernel, p: Task, args: CloneArgs) -> None:
    """fork-path D5: a thread shares the record, a process gets one. Counts the process for its user.

    Raises Errno(ENOMEM).
    """
    if args.flags & CLONE_THREAD and k.current.cred.thread_keyring is None:
        new = k.current.cred
        new.count += 1
    else:
        new = prepare_creds(k)
        if args.flags & CLONE_NEWUSER or new.thread_keyring or new.process_keyring:
            with ExitStack() as undo:
                undo.callback(put_cred, k, new)
                if args.flags & CLONE_NEWUSER:
                    create_user_ns(k, new)
                _own_keyrings(k, new, thread=bool(args.flags & CLONE_THREAD))
                undo.pop_all()
    p.cred = new
    new.user.processes += 1


def _own_keyrings(k: Kernel, new: Cred, *, thread: bool) -> None:
    """The keyring of a thread is nobody else's, that of a process its threads'. Raises Errno(ENOMEM)."""
    old, new.thread_keyring = new.thread_keyring, None
    if old is not None:
        old.put(k)
        if thread:
            new.thread_keyring = old.of_another_thread(k, new)
    if not thread:
        drop_process_keyring(k, new)


def drop_process_keyring(k: Kernel, new: Cred) -> None:
    """Credentials that are of another process, or another program."""
    ring, new.process_keyring = new.process_keyring, None
    if ring is not None:
        ring.put(k)


def uncount_process(p: Task) -> None:
    """A released task counts for its user no more; the credentials go with its record."""
    p.cred.user.processes -= 1


def exit_creds(k: Kernel, p: Task) -> None:
    """Give back what copy_creds took: the user's count of processes, and the credentials."""
    uncount_process(p)
    put_cred(k, p.cred)
