"""The i386 entry points of uid.py: each call twice, with 16-bit ids and, named …32, with 32-bit ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.kernel import uid
from toykernel.kernel.uid import high2low, low2high
from toykernel.syscalls import syscall

if TYPE_CHECKING:
    from toykernel.state import Kernel


@syscall(24)
def sys_getuid(k: Kernel) -> int:
    return high2low(k.current.cred.uid)


@syscall(49)
def sys_geteuid(k: Kernel) -> int:
    return high2low(k.current.cred.euid)


@syscall(47)
def sys_getgid(k: Kernel) -> int:
    return high2low(k.current.cred.gid)


@syscall(50)
def sys_getegid(k: Kernel) -> int:
    return high2low(k.current.cred.egid)


@syscall(199)
def sys_getuid32(k: Kernel) -> int:
    return k.current.cred.uid


@syscall(201)
def sys_geteuid32(k: Kernel) -> int:
    return k.current.cred.euid


@syscall(200)
def sys_getgid32(k: Kernel) -> int:
    return k.current.cred.gid


@syscall(202)
def sys_getegid32(k: Kernel) -> int:
    return k.current.cred.egid


@syscall(23, "uid:id")
def sys_setuid(k: Kernel, user: int) -> int:
    return uid.setuid(k, low2high(user))


@syscall(46, "gid:id")
def sys_setgid(k: Kernel, group: int) -> int:
    return uid.setgid(k, low2high(group))


@syscall(70, "ruid:id euid:id")
def sys_setreuid(k: Kernel, ruid: int, euid: int) -> int:
    return uid.setreuid(k, low2high(ruid), low2high(euid))


@syscall(71, "rgid:id egid:id")
def sys_setregid(k: Kernel, rgid: int, egid: int) -> int:
    return uid.setregid(k, low2high(rgid), low2high(egid))


@syscall(164, "ruid:id euid:id suid:id")
def sys_setresuid(k: Kernel, ruid: int, euid: int, suid: int) -> int:
    return uid.setresuid(k, low2high(ruid), low2high(euid), low2high(suid))


@syscall(170, "rgid:id egid:id sgid:id")
def sys_setresgid(k: Kernel, rgid: int, egid: int, sgid: int) -> int:
    return uid.setresgid(k, low2high(rgid), low2high(egid), low2high(sgid))


@syscall(138, "fsuid:id")
def sys_setfsuid(k: Kernel, user: int) -> int:
    return high2low(uid.setfsuid(k, low2high(user)))


@syscall(139, "fsgid:id")
def sys_setfsgid(k: Kernel, group: int) -> int:
    return high2low(uid.setfsgid(k, low2high(group)))


@syscall(165, "ruid:address euid:address suid:address")
def sys_getresuid(k: Kernel, ruid: int, euid: int, suid: int) -> int:
    c = k.current.cred
    return uid.put_ids(k, (c.uid, c.euid, c.suid), (ruid, euid, suid), width=2)


@syscall(171, "rgid:address egid:address sgid:address")
def sys_getresgid(k: Kernel, rgid: int, egid: int, sgid: int) -> int:
    c = k.current.cred
    return uid.put_ids(k, (c.gid, c.egid, c.sgid), (rgid, egid, sgid), width=2)


@syscall(209, "ruid:address euid:address suid:address")
def sys_getresuid32(k: Kernel, ruid: int, euid: int, suid: int) -> int:
    c = k.current.cred
    return uid.put_ids(k, (c.uid, c.euid, c.suid), (ruid, euid, suid), width=4)


@syscall(211, "rgid:address egid:address sgid:address")
def sys_getresgid32(k: Kernel, rgid: int, egid: int, sgid: int) -> int:
    c = k.current.cred
    return uid.put_ids(k, (c.gid, c.egid, c.sgid), (rgid, egid, sgid), width=4)


@syscall(80, "size:int list:address")
def sys_getgroups(k: Kernel, size: int, grouplist: int) -> int:
    return uid.getgroups(k, size, grouplist, width=2)


@syscall(81, "size:int list:address")
def sys_setgroups(k: Kernel, size: int, grouplist: int) -> int:
    return uid.setgroups(k, size, grouplist, width=2)


@syscall(205, "size:int list:address")
def sys_getgroups32(k: Kernel, size: int, grouplist: int) -> int:
    return uid.getgroups(k, size, grouplist, width=4)


@syscall(206, "size:int list:address")
def sys_setgroups32(k: Kernel, size: int, grouplist: int) -> int:
    return uid.setgroups(k, size, grouplist, width=4)
