"""The files of /proc by name: of the system, of a process, of a thread."""

from __future__ import annotations

from toykernel.fs.proc import array, keys, system, sysvipc, task_files, task_mmu
from toykernel.fs.proc.node import ProcFile
from toykernel.kernel import user_namespace

#: In /proc, by path.
SYSTEM: dict[str, ProcFile] = {
    "meminfo": ProcFile(0o444, system.meminfo),
    "cpuinfo": ProcFile(0o444, system.cpuinfo),
    "stat": ProcFile(0o444, system.stat),
    "uptime": ProcFile(0o444, system.uptime),
    "loadavg": ProcFile(0o444, system.loadavg),
    "version": ProcFile(0o444, system.version),
    "filesystems": ProcFile(0o444, system.filesystems),
    "cmdline": ProcFile(0o444, system.cmdline),
    "devices": ProcFile(0o444, system.devices),
    "swaps": ProcFile(0o444, system.swaps),
    "vmstat": ProcFile(0o444, system.vmstat),
    "interrupts": ProcFile(0o444, system.interrupts),
    "partitions": ProcFile(0o444, system.partitions),
    "keys": ProcFile(0o444, keys.keys),
    "key-users": ProcFile(0o444, keys.key_users),
    "sysvipc/msg": ProcFile(0o444, sysvipc.msg),
    "sysvipc/sem": ProcFile(0o444, sysvipc.sem),
    "sysvipc/shm": ProcFile(0o444, sysvipc.shm),
}
#: In /proc/PID and in /proc/PID/task/TID.
TASK: dict[str, ProcFile] = {
    "status": ProcFile(0o444, array.proc_pid_status),
    "statm": ProcFile(0o444, array.proc_pid_statm),
    "maps": ProcFile(0o444, task_mmu.proc_pid_maps),
    "smaps": ProcFile(0o444, task_mmu.proc_pid_smaps),
    "smaps_rollup": ProcFile(0o444, task_mmu.proc_pid_smaps_rollup),
    "cmdline": ProcFile(0o444, task_files.cmdline),
    "environ": ProcFile(0o400, task_files.environ),
    "auxv": ProcFile(0o400, task_files.auxv),
    "comm": ProcFile(0o644, task_files.comm, task_files.store_comm),
    "limits": ProcFile(0o444, task_files.limits),
    "wchan": ProcFile(0o444, task_files.wchan),
    "syscall": ProcFile(0o400, task_files.syscall),
    "cgroup": ProcFile(0o444, task_files.cgroup),
    "oom_score": ProcFile(0o444, task_files.oom_score),
    "oom_score_adj": ProcFile(0o644, task_files.oom_score_adj, task_files.store_oom_score_adj),
    "io": ProcFile(0o400, task_files.io),
    "personality": ProcFile(0o400, task_files.personality),
    "sched": ProcFile(0o644, task_files.sched),
    "schedstat": ProcFile(0o444, task_files.schedstat),
    "mounts": ProcFile(0o444, task_files.mounts),
    "mountinfo": ProcFile(0o444, task_files.mountinfo),
    "uid_map": ProcFile(0o644, user_namespace.uid_map, user_namespace.store_uid_map),
    "gid_map": ProcFile(0o644, user_namespace.gid_map, user_namespace.store_gid_map),
    "setgroups": ProcFile(0o644, user_namespace.setgroups, user_namespace.store_setgroups),
}
PROCESS_STAT = ProcFile(0o444, array.proc_pid_stat)
THREAD_STAT = ProcFile(0o444, array.proc_tid_stat)
CHILDREN = ProcFile(0o444, array.proc_pid_children)
