"""The tree of processes and one task's record, as data and as text: `info tasks --tree`, `info task PID`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toykernel.kernel.signal_types import RLIM_INFINITY, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_STACK

if TYPE_CHECKING:
    from toykernel.kernel_state import Kernel
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
    """From init down."""
    return _node(k, k.child_reaper)


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
        others = (t.pid for t in k.tasks if t is not task and getattr(t, attribute) is part)
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
        "user": f"uid {cred.uid} {cred.euid} {cred.suid}, gid {cred.gid} {cred.egid} {cred.sgid}",
        "capabilities": f"effective {cred.cap_effective:#x}, permitted {cred.cap_permitted:#x}",
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
        "alternate stack": f"{task.sas_ss_size} bytes at {task.sas_ss_sp:#010x}"
        if task.sas_ss_size
        else "none",
        "call to be restarted": task.restart_block[0].__name__ if task.restart_block else "",
        "limits": ", ".join(
            f"{name} {_limit(signal.rlim[number][0])}"
            for name, number in (
                *(("processes", RLIMIT_NPROC), ("files", RLIMIT_NOFILE)),
                ("stack", RLIMIT_STACK),
            )
        ),
    }
    if task.fs is not None:
        fields["umask"] = f"{task.fs.umask:03o}"
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


def _scheduling(task: Task) -> str:
    se = task.se
    return (
        f"policy {se.policy}, priority {se.prio}, nice {se.nice}, vruntime {se.vruntime}, "
        f"slice {se.time_slice or se.counter}, {se.nvcsw + se.nivcsw} switches"
    )


def _limit(value: int) -> str:
    return "unlimited" if value == RLIM_INFINITY else str(value)
