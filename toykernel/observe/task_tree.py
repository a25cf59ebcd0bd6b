"""The tree of processes and one task's record, as data and as text: `info tasks --tree`, `info task PID`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.fs.mount import d_path
from toykernel.kernel.pid import child_reaper
from toykernel.kernel.signal_types import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_NOFILE,
    RLIMIT_NPROC,
    RLIMIT_STACK,
)
from toykernel.task import SIGNAL_GROUP_EXIT, SIGNAL_STOP_CONTINUED, SIGNAL_STOP_STOPPED

if TYPE_CHECKING:
    from toykernel.kernel.signal_types import SignalStruct
    from toykernel.state import Kernel
    from toykernel.task import Task


@dataclass(frozen=True)
class TreeNode:
    """A process: its threads but for the first, and its children, both in order of birth."""

    pid: int
    comm: str
    state: str
    threads: tuple[int, ...]
    children: tuple[TreeNode, ...]


def task_tree(k: Kernel) -> TreeNode:
    """The tree of the tasks of the first pid namespace, from init down."""
    return _node(k, child_reaper(k))


def _node(k: Kernel, task: Task) -> TreeNode:
    group = task.signal.threads
    children = [c for thread in group for c in thread.children]
    return TreeNode(
        task.pid,
        task.comm,
        task.state_letter,
        tuple(t.pid for t in group if t is not task),
        tuple(_node(k, c) for c in sorted(children, key=lambda c: (c.start_time, c.pid))),
    )


def tree_text(node: TreeNode, prefix: str = "", *, last: bool = True, top: bool = True) -> str:
    """As pstree draws it, a process a line."""
    threads = f" +threads {' '.join(map(str, node.threads))}" if node.threads else ""
    branch = "" if top else "└─" if last else "├─"
    lines = [f"{prefix}{branch}{node.pid} {node.comm} {node.state}{threads}"]
    below = prefix + ("" if top else "  " if last else "│ ")
    for index, child in enumerate(node.children):
        final = index + 1 == len(node.children)
        lines.append(tree_text(child, below, last=final, top=False))
    return "\n".join(lines)


#: The records that tasks share: name, the Task's attribute.
SHARED_PARTS = (
    *(("memory", "mm"), ("files", "files"), ("root and cwd", "fs"), ("handlers", "sighand")),
    *(("thread group", "signal"), ("credentials", "cred"), ("namespaces", "nsproxy")),
    *(("semaphore undo", "undo_list"), ("I/O context", "io_context")),
)


def shared_with(k: Kernel, task: Task) -> dict[str, tuple[int, ...]]:
    """By part: the other tasks that have the very same record."""
    result = {}
    for name, attribute in SHARED_PARTS:
        part = getattr(task, attribute)
        others = (
            t.pid for t in k.processes.tasks if t is not task and getattr(t, attribute) is part
        )
        result[name] = tuple(others) if part is not None else ()
    return result


def task_fields(k: Kernel, task: Task) -> dict[str, str]:
    """Every field of a task that says something, by name."""
    signal, cred = task.signal, task.cred
    numbers = " ".join(str(number) for _, number in task.pid_struct.numbers)
    fields = {
        "pid": numbers if len(task.pid_struct.numbers) == 1 else f"{numbers} (by namespace)",
        "tgid": str(task.tgid),
        "comm": task.comm,
        "state": task.state_letter,
        "waits for": task.wait.reason if task.wait is not None else "",
        "parent": str(task.real_parent.pid),
        "children": " ".join(str(c.pid) for c in task.children),
        "threads": " ".join(str(t.pid) for t in signal.threads),
        "group, session": f"{signal.pgrp}, {signal.session}{' (leader)' if signal.leader else ''}",
        "flags": f"{task.flags:#010x}",
        "exit signal, code": f"{task.exit_signal}, {task.exit_code:#x}",
        "signal at the parent's death": str(task.pdeath_signal),
        "exec": f"{'done' if task.did_exec else 'not since fork'}, id {task.self_exec_id}, "
        f"the parent's was {task.parent_exec_id}",
        "scheduling": _scheduling(task),
        "times": f"born at {task.start_time}, {task.stats.cycles} cycles, "
        f"{task.utime_ticks} ticks user, {task.stime_ticks} system",
        "page faults": str(task.min_flt),
        "user": f"uid {cred.uid} {cred.euid} {cred.suid} {cred.fsuid}, "
        f"gid {cred.gid} {cred.egid} {cred.sgid} {cred.fsgid}",
        "other groups": " ".join(map(str, cred.groups)),
        "capabilities": f"effective {cred.cap_effective:#x}, permitted {cred.cap_permitted:#x}, "
        f"inheritable {cred.cap_inheritable:#x}, bounding {cred.cap_bset:#x}",
        "processes of the user": str(cred.user.processes),
        "kernel stack": f"{task.stack:#010x}, record {task.slab:#010x}",
        "saved sp, ip": f"{task.thread.sp:#010x}, {task.thread.ip:#010x}",
        "TLS": " ".join(
            f"{high:08x}{low:08x}" for low, high in task.thread.tls_array if low or high
        ),
        "FPU area": f"{task.thread.fpu:#010x}" if task.thread.fpu else "none yet",
        "last fault": f"cr2 {task.thread.cr2:#010x}, trap {task.thread.trap_no}, "
        f"error {task.thread.error_code:#x}",
        "set, clear child tid": f"{task.set_child_tid:#x}, {task.clear_child_tid:#x}",
        "robust futexes": f"{task.robust_list:#x}",
        "vfork": "its parent waits for exec or exit" if task.vfork_done is not None else "",
        "personality": f"{task.personality:#x}",
        "lock depth, fs_excl": f"{task.lock_depth}, {task.fs_excl}",
        "timer slack": f"{task.timer_slack_ns} ns",
        "stack canary": f"{task.stack_canary:#010x}",
        "pending": " ".join(map(str, task.pending)) or "none",
        "pending of the group": " ".join(map(str, signal.shared_pending)) or "none",
        "blocked": f"{task.blocked:#x}",
        "blocked before": f"{task.saved_sigmask:#x}" if task.saved_sigmask is not None else "",
        "group's state": _group_state(signal),
        "subreaper": "itself"
        if signal.is_child_subreaper
        else "above" * signal.has_child_subreaper,
        "terminal": f"{signal.tty.kind} {signal.tty.index}" if signal.tty is not None else "",
        "timers": ", ".join(
            f"{kind} {' '.join(map(str, sorted(timers)))}"
            for kind, timers in (("interval", signal.itimers), ("POSIX", signal.posix_timers))
            if timers
        ),
        "alternate stack": f"{task.sas_ss_size} bytes at {task.sas_ss_sp:#010x}"
        if task.sas_ss_size
        else "none",
        "call to be restarted": task.restart_block[0].__name__ if task.restart_block else "",
        "limits": ", ".join(
            f"{name} {_limit(signal.rlim[number][0])}"
            for name, number in (
                *(("processes", RLIMIT_NPROC), ("files", RLIMIT_NOFILE)),
                *(("stack", RLIMIT_STACK), ("address space", RLIMIT_AS)),
            )
        ),
    }
    if task.fs is not None:
        fields["umask"] = f"{task.fs.umask:03o}"
        fields["cwd"] = d_path(task.fs.root, task.fs.pwd) or "removed"
        fields["root"] = d_path(k.files.fs.root, task.fs.root) or "removed"
    fields["references"] = _references(task)
    if task.files is not None:
        opened = (f"{fd} {f.path} at {f.pos}" for fd, f in sorted(task.files.fd.items()))
        fields["files"] = "; ".join(opened)
    for (name, others), (_, attribute) in zip(
        shared_with(k, task).items(), SHARED_PARTS, strict=True
    ):
        if others:
            fields[f"{name} shared with"] = " ".join(map(str, others))
        elif getattr(task, attribute) is not None:
            fields[name] = "its own"
    return {name: text for name, text in fields.items() if text}


def _group_state(signal: SignalStruct) -> str:
    names = {
        SIGNAL_STOP_STOPPED: "stopped",
        SIGNAL_STOP_CONTINUED: "continued",
        SIGNAL_GROUP_EXIT: f"exits with {signal.group_exit_code:#x}",
    }
    return ", ".join(text for flag, text in names.items() if signal.flags & flag)


def _references(task: Task) -> str:
    """The counts of the records, as Linux keeps them."""
    counts = {
        "task": task.usage,
        "mm": task.mm.mm_users if task.mm is not None else None,
        "files": task.files.count if task.files is not None else None,
        "fs": task.fs.users if task.fs is not None else None,
        "sighand": task.sighand.count,
        "cred": task.cred.count,
        "nsproxy": task.nsproxy.count,
        "signal": task.signal.sigcnt,
        "live threads": task.signal.live,
        "threads": task.signal.nr_threads,
    }
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count is not None)


def _scheduling(task: Task) -> str:
    se = task.se
    return (
        f"policy {se.policy}, priority {se.prio}, nice {se.nice}, vruntime {se.vruntime}, "
        f"slice {se.time_slice or se.counter}, {se.nvcsw + se.nivcsw} switches"
    )


def _limit(value: int) -> str:
    return "unlimited" if value == RLIM_INFINITY else str(value)
