"""A file system before it is mounted, or while it is changed (fs/fs_context.c): its parameters, one by one.

There are no disks: a type that needs one is not known (ENODEV). What a parameter is wrong about is kept as
text, for who reads the descriptor of fsopen.
"""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from emu.ram import PAGE_SIZE
from emu.record import dataclass
from toykernel.errno import EBUSY, EINVAL, ENODEV, Errno
from toykernel.fs.dcache import Dentry
from toykernel.fs.proc.root import proc_fill_super
from toykernel.fs.ramfs import MAX_BYTES, MAX_INODES, ramfs_fill_super
from toykernel.ipc.mqueue import mqueue_root
from toykernel.tty.devpts import DevPts, devpts_fill_super

if TYPE_CHECKING:
    from toykernel.fs.mount import Mount
    from toykernel.fs.super import SuperBlock
    from toykernel.state import Kernel

_SHIFTS = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
#: Parameters of every type (vfs_parse_sb_flag); a value with them is not looked at.
_COMMON = {
    "ro": ("ro", True),
    "rw": ("ro", False),
    "sync": ("sync", True),
    "async": ("sync", False),
    "dirsync": ("dirsync", True),
    "lazytime": ("lazytime", True),
    "nolazytime": ("lazytime", False),
    "mand": ("mand", True),
    "nomand": ("mand", False),
}
_STRINGS = {
    "tmpfs": ("size", "nr_blocks", "nr_inodes", "mode", "uid", "gid"),
    "ramfs": ("mode",),
    "proc": ("hidepid", "gid", "subset"),
    "devpts": ("uid", "gid", "mode", "ptmxmode", "max"),
}
TYPES = ("tmpfs", "ramfs", "proc", "devtmpfs", "sysfs", "devpts", "mqueue")


class Phase(Enum):
    """What may be done next (enum fs_context_phase)."""

    CREATE_PARAMS = 0
    AWAITING_MOUNT = 1
    AWAITING_RECONF = 2
    RECONF_PARAMS = 3
    FAILED = 4


@dataclass(eq=False)
class FsContext:
    """struct fs_context. `values` are numbers by parameter; `root` is there once the file system is."""

    slab: int
    kind: str
    phase: Phase = Phase.CREATE_PARAMS
    source: str | None = None
    read_only: bool | None = None  # None: as it is
    words: dict[str, bool] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    root: Dentry | None = None
    mnt: Mount | None = None  # of fspick: whose file system is changed
    log: list[str] = field(default_factory=list)

    def complain(self, text: str) -> NoReturn:
        """A line for the log, and Errno(EINVAL)."""
        self.log = [*self.log[-7:], f"e {text}"]
        raise Errno(EINVAL)

    def clean(self) -> None:
        """vfs_clean_context: a change comes next; the words that were given are unset by it."""
        self.values, self.source = {}, None
        self.words = dict.fromkeys(self.words, False)
        self.read_only = None if self.read_only is None else False
        self.phase = Phase.AWAITING_RECONF


def new_context(slab: int, kind: str) -> FsContext:
    """For a new file system. Raises Errno(ENODEV) for a type that there is not."""
    if kind not in TYPES:
        raise Errno(ENODEV)
    return FsContext(slab, kind)


# -- parameters ------------------------------------------------------------------------------------


def parse_param(k: Kernel, fc: FsContext, key: str, value: str | None) -> None:
    """vfs_parse_fs_param: a word, with a value or (None) without. Raises Errno(EINVAL), with a reason in the
    log."""
    if key in _COMMON:
        word, on = _COMMON[key]
        if word == "ro":
            fc.read_only = on
        else:
            fc.words[word] = on
        return
    if key in _STRINGS.get(fc.kind, ()):
        if value is None:
            fc.complain(f"{fc.kind}: Bad value for '{key}'")
        fc.values |= _number(k, fc, key, value)
    elif fc.kind == "devpts" and key == "newinstance":
        fc.values[key] = 1
    elif key == "source":
        if value is None:
            fc.complain("Non-string source")
        if fc.source is not None:
            fc.complain("Multiple sources")
        fc.source = value
    elif fc.kind != "ramfs":  # which takes any word
        fc.complain(f"{fc.kind}: Unknown parameter '{key}'")


def _number(k: Kernel, fc: FsContext, key: str, value: str) -> dict[str, int]:
    if key in ("mode", "ptmxmode", "uid", "gid"):
        number = _plain(value, 8 if key.endswith("mode") else 0)
        if number is None:
            fc.complain(f"{fc.kind}: Bad value for '{key}'")
        return {key: number & 0o7777 if key.endswith("mode") else number}
    if fc.kind == "devpts":
        number = _plain(value, 0)
        if number is None:
            fc.complain(f"devpts: Bad value for '{key}'")
        return {}
    if fc.kind == "proc":
        if (key, value) not in (("hidepid", "0"), ("hidepid", "off")):
            fc.complain(f"proc: Bad value for '{key}'")
        return {}
    number, rest = memparse(value)
    if key == "size" and rest == "%":
        number, rest = k.memory.pages.totals().total * number // 100 * PAGE_SIZE, ""
    if rest or number is None:
        fc.complain(f"{fc.kind}: Bad value for '{key}'")
    if key == "nr_blocks":
        return {"size": number * PAGE_SIZE}
    return {key: -(-number // PAGE_SIZE) * PAGE_SIZE if key == "size" else number}


def _plain(text: str, base: int) -> int | None:
    """An unsigned number of 32 bits (kstrtouint)."""
    try:
        number = int(text, base) if not base or text.isdigit() else -1
    except ValueError:
        return None
    return number if 0 <= number < 1 << 32 else None


def memparse(text: str) -> tuple[int, str]:
    """A number with k, m, g, t, p or e behind it, and what follows."""
    head, base = 0, 10
    if text[:2].lower() == "0x":
        head, base = 2, 16
    elif text[:1] == "0":
        base = 8
    digits = "0123456789abcdef"[:base]
    end = head
    while end < len(text) and text[end].lower() in digits:
        end += 1
    number = int(text[head:end] or "0", base)
    shift = _SHIFTS.get(text[end : end + 1].lower(), 0)
    return number << shift, text[end + bool(shift) :]


def parse_monolithic(k: Kernel, fc: FsContext, data: str) -> None:
    """The words of mount(2), with commas between them. Raises Errno(EINVAL)."""
    for word in data.split(","):
        if word:
            key, equals, value = word.partition("=")
            parse_param(k, fc, key, value if equals else None)


# -- the file system -------------------------------------------------------------------------------


def get_tree(k: Kernel, fc: FsContext) -> Dentry:
    """vfs_get_tree: the file system that was described; its root. Raises Errno(EBUSY) the second time."""
    if fc.root is not None:
        raise Errno(EBUSY)
    fs, values = k.files.fs, fc.values
    single = fs.single.get(fc.kind)
    if fc.kind == "devpts" and (k.host.profile.devpts_instances or "newinstance" in values):
        single = None
    ids = k.current.nsproxy.ipc_ns.mq_ids
    shared = single is not None or (fc.kind == "mqueue" and ids.root is not None)
    if single is not None:
        root = single
    elif fc.kind == "mqueue":
        root = mqueue_root(k, ids)
    elif fc.kind == "devpts":
        top = devpts_fill_super(fs.new_dev(), fs.pipefs.numbers, values).root
        assert top is not None
        root = top
    elif fc.kind == "proc":
        root = Dentry("/", proc_fill_super(fs.new_dev(), fs.pipefs.numbers)[1])
    else:
        mode = values.get("mode", 0o1777 if fc.kind == "tmpfs" else 0o755)
        sb, inode = ramfs_fill_super(fs.new_dev(), fs.pipefs.numbers, fc.kind, mode)
        cred = k.current.cred
        inode.uid = values.get("uid", cred.fsuid if fc.kind == "tmpfs" else 0)
        inode.gid = values.get("gid", cred.fsgid if fc.kind == "tmpfs" else 0)
        _limit(sb, values)
        root = Dentry("/", inode)
        _describe(sb, root)
    if not shared:
        root.inode.i_sb.read_only = bool(fc.read_only)
        root.inode.i_sb.words = frozenset(word for word, on in fc.words.items() if on)
    root.inode.i_sb.source = root.inode.i_sb.source or fc.source or "none"
    fc.root = root
    return root


def _limit(sb: SuperBlock, values: dict[str, int]) -> None:
    for name, key in (("max_bytes", "size"), ("max_inodes", "nr_inodes")):
        asked, most = values.get(key, 0), getattr(sb, name)
        if asked:
            setattr(sb, name, min(asked, most))


def _describe(sb: SuperBlock, root: Dentry) -> None:
    """shmem_show_options: what is not as it is without parameters."""
    words = []
    if sb.s_type == "tmpfs":
        words += [f"size={sb.max_bytes >> 10}k"] if sb.max_bytes != MAX_BYTES else []
        words += [f"nr_inodes={sb.max_inodes}"] if sb.max_inodes != MAX_INODES else []
        bits = root.inode.mode & 0o7777
        words += [f"mode={bits:o}"] if bits != 0o1777 else []
        words += [f"uid={root.inode.uid}"] if root.inode.uid else []
        words += [f"gid={root.inode.gid}"] if root.inode.gid else []
    sb.options = ",".join(words)


def reconfigure(k: Kernel, fc: FsContext, mnt: Mount) -> None:
    """reconfigure_super: other flags and limits. Raises Errno(EBUSY) while something writes, Errno(EINVAL)
    for limits below what is in use."""
    sb = mnt.sb
    if fc.read_only and not sb.read_only and writers(k, sb=sb):
        raise Errno(EBUSY)
    if sb.s_type == "tmpfs":
        if 0 < fc.values.get("size", 0) < sb.s_bytes:
            fc.complain("tmpfs: Too small a size for current use")
        if 0 < fc.values.get("nr_inodes", 0) < sb.s_inodes:
            fc.complain("tmpfs: Too few inodes for current use")
        _limit(sb, fc.values)
        top = mnt.root
        while not top.is_root:
            top = top.parent
        _describe(sb, top)
    if isinstance(sb, DevPts):
        sb.set(fc.values)
    if fc.read_only is not None:
        sb.read_only = fc.read_only
    sb.words = (sb.words | fc.words.keys()) - {word for word, on in fc.words.items() if not on}


def writers(k: Kernel, *, sb: SuperBlock | None = None, mnt: Mount | None = None) -> bool:
    """Whether something is open for writing on a file system, or through a mount."""
    return any(
        file.writable
        and (file.inode.i_sb is sb if mnt is None else file.f_path and file.f_path.mnt is mnt)
        for task in k.processes.tasks
        if task.files is not None
        for file in task.files.fd.values()
    )
