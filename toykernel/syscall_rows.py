"""Rows of the system-call table for processes, identities, files and semaphores.

(number, name, function, arguments); syscall_table.py makes its table of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toykernel.fs import fcntl, namei, open, pipe, read_write, stat
from toykernel.ipc import semop
from toykernel.kernel import capability, prctl, resource, session, sys, uid, uid_calls, unshare

Row = tuple[int, str, Callable[..., Any], str]

FILES: tuple[Row, ...] = (
    (4, "write", read_write.sys_write, "fd:fd buf:buffer_in count:size"),
    (3, "read", read_write.sys_read, "fd:fd buf:buffer_out count:size"),
    (5, "open", open.sys_open, "pathname:path flags:open_flags mode:mode"),
    (6, "close", open.sys_close, "fd:fd"),
    (8, "creat", open.sys_creat, "pathname:path mode:mode"),
    (10, "unlink", namei.sys_unlink, "pathname:path"),
    (12, "chdir", open.sys_chdir, "path:path"),
    (19, "lseek", read_write.sys_lseek, "fd:fd offset:int whence:seek_whence"),
    (33, "access", open.sys_access, "pathname:path mode:access_mode"),
    (39, "mkdir", namei.sys_mkdir, "pathname:path mode:mode"),
    (40, "rmdir", namei.sys_rmdir, "pathname:path"),
    (41, "dup", fcntl.sys_dup, "oldfd:fd"),
    (42, "pipe", pipe.sys_pipe, "pipefd:fd_pair"),
    (54, "ioctl", fcntl.sys_ioctl, "fd:fd request:hex argp:address"),
    (55, "fcntl", fcntl.sys_fcntl, "fd:fd cmd:fcntl_cmd arg:hex"),
    (60, "umask", open.sys_umask, "mask:mode"),
    (63, "dup2", fcntl.sys_dup2, "oldfd:fd newfd:fd"),
    (106, "stat", stat.sys_stat, "pathname:path statbuf:address"),
    (107, "lstat", stat.sys_lstat, "pathname:path statbuf:address"),
    (108, "fstat", stat.sys_fstat, "fd:fd statbuf:address"),
    (133, "fchdir", open.sys_fchdir, "fd:fd"),
    (
        *(140, "_llseek", read_write.sys_llseek),
        "fd:fd offset_high:hex offset_low:hex result:address whence:seek_whence",
    ),
    (183, "getcwd", open.sys_getcwd, "buf:buffer_out size:size"),
    (195, "stat64", stat.sys_stat64, "pathname:path statbuf:address"),
    (196, "lstat64", stat.sys_lstat64, "pathname:path statbuf:address"),
    (197, "fstat64", stat.sys_fstat64, "fd:fd statbuf:address"),
    (221, "fcntl64", fcntl.sys_fcntl, "fd:fd cmd:fcntl_cmd arg:hex"),
    (295, "openat", open.sys_openat, "dirfd:dirfd pathname:path flags:open_flags mode:mode"),
    (330, "dup3", fcntl.sys_dup3, "oldfd:fd newfd:fd flags:open_flags"),
    (331, "pipe2", pipe.sys_pipe2, "pipefd:fd_pair flags:open_flags"),
)

IDENTITY: tuple[Row, ...] = (
    (23, "setuid", uid_calls.sys_setuid, "uid:id"),
    (24, "getuid", uid_calls.sys_getuid, ""),
    (46, "setgid", uid_calls.sys_setgid, "gid:id"),
    (47, "getgid", uid_calls.sys_getgid, ""),
    (49, "geteuid", uid_calls.sys_geteuid, ""),
    (50, "getegid", uid_calls.sys_getegid, ""),
    (70, "setreuid", uid_calls.sys_setreuid, "ruid:id euid:id"),
    (71, "setregid", uid_calls.sys_setregid, "rgid:id egid:id"),
    (80, "getgroups", uid_calls.sys_getgroups, "size:int list:address"),
    (81, "setgroups", uid_calls.sys_setgroups, "size:int list:address"),
    (138, "setfsuid", uid_calls.sys_setfsuid, "fsuid:id"),
    (139, "setfsgid", uid_calls.sys_setfsgid, "fsgid:id"),
    (164, "setresuid", uid_calls.sys_setresuid, "ruid:id euid:id suid:id"),
    (165, "getresuid", uid_calls.sys_getresuid, "ruid:address euid:address suid:address"),
    (170, "setresgid", uid_calls.sys_setresgid, "rgid:id egid:id sgid:id"),
    (171, "getresgid", uid_calls.sys_getresgid, "rgid:address egid:address sgid:address"),
    (184, "capget", capability.sys_capget, "hdrp:address datap:address"),
    (185, "capset", capability.sys_capset, "hdrp:address datap:address"),
    (199, "getuid32", uid_calls.sys_getuid32, ""),
    (200, "getgid32", uid_calls.sys_getgid32, ""),
    (201, "geteuid32", uid_calls.sys_geteuid32, ""),
    (202, "getegid32", uid_calls.sys_getegid32, ""),
    (203, "setreuid32", uid.setreuid, "ruid:id euid:id"),
    (204, "setregid32", uid.setregid, "rgid:id egid:id"),
    (205, "getgroups32", uid_calls.sys_getgroups32, "size:int list:address"),
    (206, "setgroups32", uid_calls.sys_setgroups32, "size:int list:address"),
    (208, "setresuid32", uid.setresuid, "ruid:id euid:id suid:id"),
    (209, "getresuid32", uid_calls.sys_getresuid32, "ruid:address euid:address suid:address"),
    (210, "setresgid32", uid.setresgid, "rgid:id egid:id sgid:id"),
    (211, "getresgid32", uid_calls.sys_getresgid32, "rgid:address egid:address sgid:address"),
    (213, "setuid32", uid.setuid, "uid:id"),
    (214, "setgid32", uid.setgid, "gid:id"),
    (215, "setfsuid32", uid.setfsuid, "fsuid:id"),
    (216, "setfsgid32", uid.setfsgid, "fsgid:id"),
)

PROCESS: tuple[Row, ...] = (
    (57, "setpgid", session.sys_setpgid, "pid:pid pgid:pid"),
    (65, "getpgrp", session.sys_getpgrp, ""),
    (66, "setsid", session.sys_setsid, ""),
    (74, "sethostname", sys.sys_sethostname, "name:buffer_in len:int"),
    (75, "setrlimit", resource.sys_setrlimit, "resource:rlimit rlim:address"),
    (76, "getrlimit", resource.sys_old_getrlimit, "resource:rlimit rlim:address"),
    (117, "ipc", semop.sys_ipc, "call:uint first:int second:int third:int ptr:address fifth:hex"),
    (121, "setdomainname", sys.sys_setdomainname, "name:buffer_in len:int"),
    (132, "getpgid", session.sys_getpgid, "pid:pid"),
    (136, "personality", prctl.sys_personality, "persona:hex"),
    (147, "getsid", session.sys_getsid, "pid:pid"),
    (172, "prctl", prctl.sys_prctl, "option:prctl_option arg2:hex arg3:hex arg4:hex arg5:hex"),
    (191, "ugetrlimit", resource.sys_getrlimit, "resource:rlimit rlim:address"),
    (258, "set_tid_address", sys.sys_set_tid_address, "tidptr:address"),
    (289, "ioprio_set", sys.sys_ioprio_set, "which:int who:int ioprio:hex"),
    (290, "ioprio_get", sys.sys_ioprio_get, "which:int who:int"),
    (310, "unshare", unshare.sys_unshare, "flags:clone_flags"),
    (
        340,
        "prlimit64",
        resource.sys_prlimit64,
        "pid:pid resource:rlimit new_limit:address old_limit:address",
    ),
)

ROWS = (*FILES, *IDENTITY, *PROCESS)
