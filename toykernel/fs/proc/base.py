"""The tree of /proc (fs/proc/base.c): directories, files and the links that lead to open files.

Nothing of it is kept: a name is looked up when it is asked for, and is gone when its task is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toykernel.errno import EACCES, EINVAL, EIO, ENOENT, EPERM, Errno
from toykernel.fs import nsfs
from toykernel.fs.dcache import Dentry
from toykernel.fs.file import File
from toykernel.fs.inode import S_IFDIR, S_IFLNK, S_IFREG, Inode, generic_permission
from toykernel.fs.libfs import NO_FILE, dot_entries, generic_read_dir
from toykernel.fs.mount import Path, d_path
from toykernel.fs.operations import (
    DirEntry,
    FileOperations,
    InodeOperations,
    SuperOperations,
    noop_fsync,
)
from toykernel.fs.proc import page, pagemap, proc_sysctl, task_files
from toykernel.fs.proc.mounts import MOUNT_TABLES, MOUNTS
from toykernel.fs.proc.node import (
    ProcFile,
    ProcNode,
    find_task,
    inode_number,
    line_written,
    node_of,
    proc_llseek,
    seq_read,
    task_of,
)
from toykernel.fs.proc.place import deleted_path, nowhere
from toykernel.fs.proc.proc_net import NET
from toykernel.fs.proc.procmap_query import procfs_procmap_ioctl
from toykernel.fs.proc.tables import CHILDREN, PROCESS_STAT, SYSTEM, TASK, THREAD_STAT
from toykernel.kernel.pid import task_active_pid_ns, task_pid_vnr
from toykernel.kernel.ptrace import ptrace_may_access

if TYPE_CHECKING:
    from toykernel.fs.super import SuperBlock
    from toykernel.state import Kernel
    from toykernel.task import Task

_DIRECTORIES = ("fd", "fdinfo", "task", "ns", "net", "attr")
_LINKS = ("exe", "cwd", "root")
_BINARY = ("mem", "pagemap")
#: Files of a task that only who may trace it can open, besides mem.
_OF_MEMORY = ("maps", "smaps", "smaps_rollup", "environ", "auxv", "pagemap")

# -- what is where ---------------------------------------------------------------------------------


def _entry(k: Kernel, parent: ProcNode, name: str) -> tuple[ProcNode, int] | None:
    """A name in a directory of /proc: what it stands for, and its mode."""
    below = f"{parent.path}/{name}" if parent.path else name
    match parent.path:
        case "":
            return _in_root(k, name)
        case "sysvipc" if below in SYSTEM:
            return ProcNode(below), S_IFREG | SYSTEM[below].mode
        case "{pid}" | "{pid}/task/{tid}":
            return _in_task(parent, name, below)
        case "{pid}/task":
            return _thread(k, parent, name)
        case "{pid}/fd" | "{pid}/fdinfo" | "{pid}/task/{tid}/fd" | "{pid}/task/{tid}/fdinfo":
            return _descriptor(k, parent, name)
        case "{pid}/ns" | "{pid}/task/{tid}/ns" if name in nsfs.NAMES:
            return ProcNode(below, parent.pid, parent.born), S_IFLNK | 0o777
        case "{pid}/net" | "{pid}/task/{tid}/net" if name in NET:
            return ProcNode(below, parent.pid, parent.born), S_IFREG | NET[name].mode
        case path if path == "sys" or path.startswith("sys/"):
            return _setting(below)
    return None


def _in_root(k: Kernel, name: str) -> tuple[ProcNode, int] | None:
    if name in ("self", "thread-self", "mounts", "net"):
        return ProcNode(name), S_IFLNK | 0o777
    if name in ("sys", "sysvipc"):
        return ProcNode(name), S_IFDIR | 0o555
    if name in SYSTEM:
        return ProcNode(name), S_IFREG | SYSTEM[name].mode
    if name in ("kpagecount", "kpageflags"):
        return ProcNode(name), S_IFREG | 0o400
    task = _numbered(k, name)
    if task is None or task.pid == 0:
        return None
    return ProcNode("{pid}", task.pid, task.start_time), S_IFDIR | 0o555


def _numbered(k: Kernel, name: str) -> Task | None:
    """The task of a number, as the current task's namespace has it."""
    if not name.isascii() or not name.isdigit() or str(int(name)) != name:
        return None
    return task_active_pid_ns(k.current).map.tasks.get(int(name))


def _in_task(parent: ProcNode, name: str, below: str) -> tuple[ProcNode, int] | None:
    kind = _task_kind(parent.path, name)
    return (ProcNode(below, parent.pid, parent.born), kind) if kind else None


def _task_kind(path: str, name: str) -> int:
    """The mode of a name in /proc/PID or /proc/PID/task/TID; 0 for none."""
    if name in _DIRECTORIES and not (name == "task" and path != "{pid}"):
        return S_IFDIR | {"fd": 0o500, "fdinfo": 0o500, "ns": 0o511}.get(name, 0o555)
    if name in _LINKS:
        return S_IFLNK | 0o777
    if name in _BINARY:
        return S_IFREG | (0o600 if name == "mem" else 0o400)
    found = _task_file(path, name)
    return S_IFREG | found.mode if found is not None else 0


def _task_file(path: str, name: str) -> ProcFile | None:
    if name == "stat":
        return PROCESS_STAT if path == "{pid}" else THREAD_STAT
    if name == "children":
        return CHILDREN if path != "{pid}" else None
    if path.endswith("/net"):
        return NET.get(name)
    return TASK.get(name)


def _thread(k: Kernel, parent: ProcNode, name: str) -> tuple[ProcNode, int] | None:
    task, leader = _numbered(k, name), find_task(k, parent)
    if task is None or leader is None or task.signal is not leader.signal:
        return None
    return ProcNode("{pid}/task/{tid}", task.pid, task.start_time), S_IFDIR | 0o555


def _descriptor(k: Kernel, parent: ProcNode, name: str) -> tuple[ProcNode, int] | None:
    task = find_task(k, parent)
    if task is None or task.files is None or not name.isdigit() or str(int(name)) != name:
        return None
    file = task.files.fd.get(int(name))
    if file is None:
        return None
    mode = S_IFREG | 0o444
    if parent.path.endswith("/fd"):
        mode = S_IFLNK | (0o500 if file.readable else 0) | (0o300 if file.writable else 0)
    return ProcNode(f"{parent.path}/{{fd}}", parent.pid, parent.born, int(name)), mode


def _setting(path: str) -> tuple[ProcNode, int] | None:
    name = path.removeprefix("sys/").replace("/", ".")
    if name in proc_sysctl.names():
        return ProcNode(path), S_IFREG | (0o444 if name in proc_sysctl.FIXED else 0o644)
    if any(each.startswith(f"{name}.") for each in proc_sysctl.names()):
        return ProcNode(path), S_IFDIR | 0o555
    return None


def _names(k: Kernel, inode: Inode) -> list[tuple[int, str]]:
    """(place, name) of each name in a directory, places growing."""
    node = node_of(inode)
    match node.path:
        case "":
            fixed = [*(name for name in SYSTEM if "/" not in name), "kpagecount", "kpageflags"]
            fixed += ["self", "thread-self", "mounts", "net", "sys", "sysvipc"]
            found = [(n, name) for n, name in enumerate(fixed, 2)]
            tasks = task_active_pid_ns(k.current).map.tasks
            return found + [
                (256 + n, str(n)) for n, t in sorted(tasks.items()) if n and t.is_group_leader
            ]
        case "{pid}" | "{pid}/task/{tid}":
            known = (*_DIRECTORIES, *_LINKS, *_BINARY, "stat", "children", *TASK)
            return [(n, name) for n, name in enumerate(known, 2) if _task_kind(node.path, name)]
        case "{pid}/ns" | "{pid}/task/{tid}/ns":
            return list(enumerate(nsfs.NAMES, 2))
        case "{pid}/net" | "{pid}/task/{tid}/net":
            return list(enumerate(NET, 2))
        case "sysvipc":
            return [(n, name) for n, name in enumerate(("msg", "sem", "shm"), 2)]
        case "{pid}/task":
            threads = task_of(k, inode).signal.threads
            return [(2 + t.pid, str(task_pid_vnr(k, t))) for t in sorted(threads, key=_pid)]
        case path if path.endswith(("/fd", "/fdinfo")):
            files = task_of(k, inode).files
            return [(2 + fd, str(fd)) for fd in sorted(files.fd)] if files is not None else []
        case path if path == "sys" or path.startswith("sys/"):
            prefix = path.removeprefix("sys").removeprefix("/").replace("/", ".")
            prefix += "." if prefix else ""
            below = {
                name[len(prefix) :].split(".")[0]
                for name in proc_sysctl.names()
                if name.startswith(prefix)
            }
            return list(enumerate(sorted(below), 2))
    return []


def _pid(task: Task) -> int:
    return task.pid


# -- directories -----------------------------------------------------------------------------------


def _inode(k: Kernel, sb: SuperBlock, node: ProcNode, mode: int) -> Inode:
    inode = Inode(inode_number(node), mode, sb, PROC_INODE, NO_FILE, private=node)
    kind = mode & 0o170000
    inode.nlink = 2 if kind == S_IFDIR else 1
    inode.i_fop = {S_IFDIR: PROC_DIR, S_IFREG: PROC_FILE}.get(kind, NO_FILE)
    last = node.path.rpartition("/")[2]
    if last in MOUNT_TABLES and node.pid:
        inode.i_fop = MOUNTS
    elif kind == S_IFREG and (last in _BINARY or last.startswith("kpage")):
        inode.i_fop = {"mem": MEM, "pagemap": PAGEMAP, "kpagecount": KPAGECOUNT}.get(
            last, KPAGEFLAGS
        )
    inode.atime = inode.mtime = inode.ctime = k.time.wall_offset
    _own(k, inode)
    return inode


def _own(k: Kernel, inode: Inode) -> None:
    """Files about a task belong to whom it runs as."""
    task = find_task(k, node_of(inode)) if node_of(inode).pid else None
    if task is not None:
        inode.uid, inode.gid = task.cred.euid, task.cred.egid


def _looked(k: Kernel) -> None:
    if k.host.trace.proc_look:
        k.host.trace.proc_look.emit()


def proc_lookup(k: Kernel, parent: Inode, name: str) -> Inode | None:
    """What a name stands for now. Raises Errno(ENOENT)."""
    _looked(k)
    found = _entry(k, node_of(parent), name)
    if found is None:
        raise Errno(ENOENT)  # also to who would make it
    return _inode(k, parent.i_sb, *found)


def proc_revalidate(k: Kernel, dentry: Dentry) -> bool:
    """A name holds while what it stood for is the same: the task, the open descriptor and its access."""
    _looked(k)
    if dentry.is_root:
        return True
    node, parent = node_of(dentry.inode), node_of(dentry.parent.inode)
    if node.pid or parent.pid:
        found = _entry(k, parent, dentry.name)
        if found is None or found != (node, dentry.inode.mode):
            return False
        _own(k, dentry.inode)
    return True


def proc_readdir(k: Kernel, file: File) -> list[DirEntry]:
    """The names that there are now."""
    assert file.f_path is not None
    node = node_of(file.inode)
    entries = dot_entries(file.f_path.dentry)
    for at, name in _names(k, file.inode):
        found = _entry(k, node, name)
        if found is not None:
            entries.append(DirEntry(at, name, inode_number(found[0]), found[1] >> 12))
    return entries


def proc_permission(k: Kernel, inode: Inode, mask: int) -> None:
    """By the bits; a task's descriptors only for who may trace it. Raises Errno(EACCES)."""
    node = node_of(inode)
    if node.path.endswith(("/fd", "/fdinfo")):
        task = find_task(k, node)
        if task is None or not ptrace_may_access(k, task):
            raise Errno(EACCES)
        return
    generic_permission(k, inode, mask)


# -- links -----------------------------------------------------------------------------------------


def proc_get_link(k: Kernel, inode: Inode) -> str:
    """What readlink says. Raises Errno(ENOENT), Errno(EACCES)."""
    node = node_of(inode)
    current = k.current
    if node.path == "self":
        return str(task_pid_vnr(k, current.group_leader))
    if node.path == "thread-self":
        return f"{task_pid_vnr(k, current.group_leader)}/task/{task_pid_vnr(k, current)}"
    if node.path in ("mounts", "net"):
        return f"self/{node.path}"
    if _is_namespace(node):
        task = task_of(k, inode)
        if not ptrace_may_access(k, task):
            raise Errno(EACCES)
        return nsfs.ns_get_name(nsfs.namespace_of(task, node.path.rpartition("/")[2]))
    target = proc_jump(k, inode)
    assert target is not None
    assert current.fs is not None
    task = task_of(k, inode)
    if node.path.endswith("{fd}") and task.files is not None:
        file = task.files.fd.get(node.number)
        if file is not None and file.f_path is None:
            return file.path
    path = d_path(current.fs.root, target)
    if path is not None:
        return path
    return f"{deleted_path(current.fs.root, target)} (deleted)"


def _is_namespace(node: ProcNode) -> bool:
    return node.path.rpartition("/")[0].endswith("/ns")


def proc_jump(k: Kernel, inode: Inode) -> Path | None:
    """Where a link leads that is no path: an open file, a program, a directory. None for one that is a path.

    Raises Errno(ENOENT), Errno(EACCES) for who may not trace the task.
    """
    node = node_of(inode)
    if not node.pid:
        return None
    task = find_task(k, node)
    if task is None:
        raise Errno(ENOENT)
    if not ptrace_may_access(k, task):
        raise Errno(EACCES)
    last = node.path.rpartition("/")[2]
    if _is_namespace(node):
        return nsfs.ns_get_path(k, nsfs.namespace_of(task, last))
    found: Path | None = None
    if last == "exe":
        found = task.mm.exe_path if task.mm is not None else None
    elif last in ("cwd", "root"):
        found = None if task.fs is None else task.fs.pwd if last == "cwd" else task.fs.root
    elif task.files is not None and (file := task.files.fd.get(node.number)) is not None:
        found = file.f_path or nowhere(file)
    if found is None:
        raise Errno(ENOENT)
    return found


# -- files -----------------------------------------------------------------------------------------


def _text(k: Kernel, inode: Inode) -> bytes:
    _looked(k)
    node = node_of(inode)
    directory, _, name = node.path.rpartition("/")
    if node.path.startswith("sys/"):
        text: str | bytes = proc_sysctl.show(k, node.path[4:].replace("/", "."))
    elif directory.endswith("fdinfo"):
        text = task_files.fdinfo(k, task_of(k, inode), node.number)
    else:
        known = _task_file(directory, name) if node.pid else SYSTEM[node.path]
        assert known is not None
        text = known.text(k, task_of(k, inode))
    return text.encode(errors="surrogateescape") if isinstance(text, str) else text


def proc_open(k: Kernel, file: File) -> None:
    """proc_mem_open: what is in a task's memory is for who may trace it, asked once. Raises Errno(ESRCH),
    Errno(EACCES)."""
    node = node_of(file.inode)
    if not node.pid or node.path.rpartition("/")[2] not in _OF_MEMORY:
        return
    if not ptrace_may_access(k, task_of(k, file.inode)):
        raise Errno(EACCES)


def proc_read(k: Kernel, file: File, buf: int, count: int) -> int:
    """Text that is made when it is read from the start, and kept for the rest of the way (seq_file)."""
    if not file.pos or file.private is None:
        file.private = _text(k, file.inode)
    return seq_read(k, file, buf, count, file.private)


def proc_splice_read(k: Kernel, file: File, pos: int, count: int) -> bytes:
    """The same for sendfile and splice. Raises Errno(EINVAL) for what is about a process."""
    if node_of(file.inode).pid:
        raise Errno(EINVAL)
    if not pos or file.private is None:
        file.private = _text(k, file.inode)
    text: bytes = file.private
    return text[pos : pos + count]


def proc_write(k: Kernel, file: File, buf: int, count: int) -> int:
    """A setting. Raises Errno(EPERM) for a setting of the kernel that is not root's to write, Errno(EIO) for
    what only tells, or what the setting says."""
    _looked(k)
    node = node_of(file.inode)
    data = line_written(k, buf, count)
    if node.path.startswith("sys/"):
        if k.current.cred.euid:  # sysctl_perm asks who writes, not who has opened it
            raise Errno(EPERM)
        proc_sysctl.store(k, node.path[4:].replace("/", "."), data)
    else:
        directory, _, name = node.path.rpartition("/")
        known = _task_file(directory, name) if node.pid else SYSTEM[node.path]
        if known is None or known.store is None:
            raise Errno(EIO)
        known.store(k, task_of(k, file.inode), data)
    file.pos += count
    return count


def no_setattr(k: Kernel, inode: Inode) -> None:
    """What /proc shows is not to be changed. Raises Errno(EPERM)."""
    raise Errno(EPERM)


def keep_nothing(k: Kernel, inode: Inode) -> None:
    """An inode of /proc has taken nothing."""


def ignore_truncate(k: Kernel, inode: Inode, size: int) -> None:
    """O_TRUNC on a setting means nothing."""


PROC_DIR = FileOperations(
    "toykernel.fs.proc.base:PROC_DIR",
    read=generic_read_dir,
    llseek=proc_llseek,
    iterate=proc_readdir,
    fsync=noop_fsync,
)
PROC_FILE = FileOperations(
    "toykernel.fs.proc.base:PROC_FILE",
    read=proc_read,
    write=proc_write,
    llseek=proc_llseek,
    splice_read=proc_splice_read,
    splice_write=proc_sysctl.splice_write,
    ioctl=procfs_procmap_ioctl,
    open=proc_open,
)
MEM = FileOperations(
    "toykernel.fs.proc.base:MEM",
    read=task_files.mem_read,
    write=task_files.mem_write,
    llseek=proc_llseek,
    open=task_files.mem_open,
)
PAGEMAP = FileOperations(
    "toykernel.fs.proc.base:PAGEMAP",
    read=pagemap.pagemap_read,
    llseek=proc_llseek,
    open=proc_open,
    ioctl=pagemap.pagemap_ioctl,
)
KPAGECOUNT = FileOperations(
    "toykernel.fs.proc.base:KPAGECOUNT", read=page.kpagecount_read, llseek=proc_llseek
)
KPAGEFLAGS = FileOperations(
    "toykernel.fs.proc.base:KPAGEFLAGS", read=page.kpageflags_read, llseek=proc_llseek
)
PROC_INODE = InodeOperations(
    "toykernel.fs.proc.base:PROC_INODE",
    lookup=proc_lookup,
    get_link=proc_get_link,
    jump=proc_jump,
    permission=proc_permission,
    setattr=no_setattr,
    truncate=ignore_truncate,
)
PROC_SUPER = SuperOperations(
    "toykernel.fs.proc.base:PROC_SUPER", evict_inode=keep_nothing, d_revalidate=proc_revalidate
)
