"""/proc/sys (fs/proc/proc_sysctl.c): the settings of --sysctl, and values that only tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from toykernel.errno import EINVAL, EPERM, Errno
from toykernel.fs.proc.node import node_of
from toykernel.kernel.random import get_random_bytes
from toykernel.sysctl import SysctlError, set_sysctl, settings

if TYPE_CHECKING:
    from toykernel.fs.file import File
    from toykernel.state import Kernel


def _file_nr(k: Kernel) -> str:
    return f"{k.memory.slabs.filp.active}\t0\t1048576"


def _uuid(k: Kernel) -> str:
    """Another random UUID (RFC 4122, version 4) at every reading."""
    return str(UUID(bytes=get_random_bytes(k, 16), version=4))


def _cap_last_cap(k: Kernel) -> str:
    return str(k.host.profile.last_cap)


#: Values that cannot be set, by name.
FIXED: dict[str, Callable[[Kernel], str]] = {
    "kernel.ostype": lambda k: k.current.nsproxy.uts_ns.name.sysname,
    "kernel.osrelease": lambda k: k.current.nsproxy.uts_ns.name.release,
    "kernel.version": lambda k: k.current.nsproxy.uts_ns.name.version,
    "kernel.cap_last_cap": _cap_last_cap,
    "kernel.ngroups_max": lambda k: "65536",
    "kernel.overflowuid": lambda k: "65534",
    "kernel.overflowgid": lambda k: "65534",
    "kernel.tainted": lambda k: "0",
    "kernel.random.entropy_avail": lambda k: "256",
    "kernel.random.poolsize": lambda k: "256",
    "kernel.random.boot_id": lambda k: "00000000-0000-4000-8000-000000000000",
    "kernel.random.uuid": _uuid,
    "kernel.core_pattern": lambda k: "core",
    "kernel.core_uses_pid": lambda k: "0",
    "kernel.randomize_va_space": lambda k: "0",
    "fs.aio-nr": lambda k: str(k.files.aio_nr),
    "fs.file-max": lambda k: "1048576",
    "fs.file-nr": _file_nr,
    "fs.overflowuid": lambda k: "65534",
    "fs.overflowgid": lambda k: "65534",
    "fs.protected_hardlinks": lambda k: "0",
    "fs.protected_symlinks": lambda k: "0",
    "vm.swappiness": lambda k: "60",
    "vm.nr_hugepages": lambda k: "0",
}


def names() -> list[str]:
    """Every name, with dots, in order."""
    return sorted({*FIXED, *settings()})


def show(k: Kernel, name: str) -> str:
    """The value as text, with its newline."""
    fixed = FIXED.get(name)
    return f"{fixed(k) if fixed is not None else settings()[name].get(k)}\n"


def store(k: Kernel, name: str, data: bytes) -> None:
    """Another value. Raises Errno(EPERM) for what only tells, Errno(EINVAL) for a value it cannot have."""
    if name in FIXED:
        raise Errno(EPERM)
    text = data.decode(errors="surrogateescape").rstrip("\n\0").strip()
    if not text:
        return
    try:
        set_sysctl(k, name, text)
    except SysctlError:
        raise Errno(EINVAL) from None


def splice_write(k: Kernel, file: File, data: bytes) -> int:
    """A setting, out of a pipe. Raises Errno(EINVAL) for what is none, or what the setting says."""
    node = node_of(file.inode)
    if not node.path.startswith("sys/"):
        raise Errno(EINVAL)
    store(k, node.path[4:].replace("/", "."), data)
    return len(data)
