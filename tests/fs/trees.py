"""One and the same step on a tree of files, by this kernel's own functions and by this machine's Linux."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from toykernel.errno import Errno
from toykernel.fs import namei
from toykernel.fs import open as fs_open
from toykernel.fs.file import O_ACCMODE, File, fput
from toykernel.fs.mount import d_path
from toykernel.harness.session import Session
from toykernel.state import Kernel

USERLAND = Path(__file__).parents[2] / "userland"
#: How this kernel's 32-bit flags are called by the host.
FLAGS = {
    0o100: os.O_CREAT,
    0o200: os.O_EXCL,
    0o1000: os.O_TRUNC,
    0o200000: os.O_DIRECTORY,
    0o400000: os.O_NOFOLLOW,
}
Result = str | int | bytes | None


def booted() -> Session:
    """A machine whose first program has just begun."""
    session = Session(USERLAND / "hello.S")
    session.break_at("_start")
    assert session.run().kind == "breakpoint"
    return session


class Here:
    """Steps by the kernel's functions, in an empty directory of their own."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.mkdir("/home")
        fs = k.current.fs
        assert fs is not None
        self.fs = fs
        self.fs.pwd = k.files.fs.find("/home")

    def mkdir(self, path: str) -> None:
        nd = namei.path_parent(self.k, path)
        if nd.path is not None:
            raise Errno(17)
        parent = namei.may_create(self.k, nd.parent)
        namei.d_add(nd.parent.dentry, nd.name, parent.i_op.mkdir(self.k, parent, nd.name, 0o755))

    def symlink(self, target: str, path: str) -> None:
        namei.do_symlink(self.k, target, path)

    def link(self, old: str, new: str) -> None:
        namei.do_link(self.k, old, new)

    def rename(self, old: str, new: str) -> None:
        namei.do_rename(self.k, old, new)

    def unlink(self, path: str) -> None:
        namei.do_unlink(self.k, path)

    def rmdir(self, path: str) -> None:
        namei.do_rmdir(self.k, path)

    def chdir(self, path: str) -> None:
        fs_open._set_pwd(self.k, namei.path_lookup(self.k, path).found())

    def open(self, path: str, flags: int) -> File:
        return fs_open.filp_open(self.k, path, flags, 0o644)

    def make(self, path: str, flags: int = 0o102) -> None:
        """Open with O_CREAT, and close."""
        fput(self.k, self.open(path, flags))

    def kind(self, path: str) -> str:
        """What is at the end of a path, links followed."""
        return kind(namei.path_lookup(self.k, path).found().dentry.inode.mode)

    def lkind(self, path: str) -> str:
        """The same, but for a link at the end."""
        nd = namei.path_lookup(self.k, path, follow=False)
        return kind(nd.found().dentry.inode.mode)

    def nlink(self, path: str) -> int:
        """Links of what is there."""
        return namei.path_lookup(self.k, path, follow=False).found().dentry.inode.nlink

    def cwd(self) -> str | None:
        """The working directory, below the tree's own."""
        path = d_path(self.fs.root, self.fs.pwd)
        return path and path.removeprefix("/home")


class Linux:
    """The same by the host's system calls."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        os.chdir(home)

    def mkdir(self, path: str) -> None:
        os.mkdir(path, 0o755)

    def symlink(self, target: str, path: str) -> None:
        os.symlink(target, path)

    def link(self, old: str, new: str) -> None:
        os.link(old, new, follow_symlinks=False)

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def chdir(self, path: str) -> None:
        os.chdir(path)

    def make(self, path: str, flags: int = 0o102) -> None:
        there = flags & O_ACCMODE
        for ours, theirs in FLAGS.items():
            there |= theirs if flags & ours else 0
        os.close(os.open(path, there, 0o644))

    def kind(self, path: str) -> str:
        return kind(os.stat(path).st_mode)

    def lkind(self, path: str) -> str:
        return kind(os.lstat(path).st_mode)

    def nlink(self, path: str) -> int:
        return os.lstat(path).st_nlink

    def cwd(self) -> str:
        return os.getcwd().removeprefix(str(self.home))


def kind(mode: int) -> str:
    return {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}[
        stat.S_IFMT(mode)
    ]


Step = tuple[
    object, ...
]  # what it must answer: a value, None, or a negative error; a name; arguments


def outcome(step: Callable[..., Result], *args: object) -> Result:
    try:
        return step(*args)
    except Errno as error:
        return -error.number
    except OSError as error:
        return -(error.errno or 0)


def walk(k: Kernel, home: Path, steps: list[Step]) -> None:
    """Every step here, there, and what it must answer."""
    before = Path.cwd()
    try:
        for tree in (Here(k), Linux(home)):
            got = [outcome(getattr(tree, str(name)), *args) for _, name, *args in steps]
            wrong = [(step, is_) for step, is_ in zip(steps, got, strict=True) if step[0] != is_]
            assert wrong == [], type(tree).__name__
    finally:
        os.chdir(before)
