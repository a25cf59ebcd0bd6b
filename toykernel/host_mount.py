"""A directory of the host as the guest may see it (--mount): looked at, never changed.

No symbolic link of the host is ever followed: the way to a name is opened directory by directory, so nothing
outside of it can be reached. What has been told once is told again, whatever the host does meanwhile: a run
that is taken back sees the same.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from emu.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SHOWN = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


@dataclass(frozen=True)
class HostEntry:
    """What is at a path: mode, owner, size in bytes, time of the last change in ns."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int


class HostDirectory:
    """One mounted directory. Paths are from there, without a slash in front; "" is itself."""

    def __init__(self, root: str) -> None:
        """Raises OSError for what is no directory that can be read."""
        self.root = os.path.realpath(root)
        os.close(os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        self._entries: dict[str, HostEntry | None] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._links: dict[str, str] = {}
        self._contents: dict[str, bytes | None] = {}

    @contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """The directory of that path, open. Raises OSError."""
        at = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in path.split("/") if path else ():
                following = os.open(part, _DIRECTORY, dir_fd=at)
                os.close(at)
                at = following
            yield at
        finally:
            os.close(at)

    def entry(self, path: str) -> HostEntry | None:
        """What is there; None for nothing, and for devices, pipes and sockets."""
        if path not in self._entries:
            self._entries[path] = self._look(path)
        return self._entries[path]

    def _look(self, path: str) -> HostEntry | None:
        folder, _, name = path.rpartition("/")
        try:
            with self._folder(folder) as at:
                found = os.stat(name or ".", dir_fd=at, follow_symlinks=False)
        except (OSError, ValueError):
            return None
        if stat.S_IFMT(found.st_mode) not in _SHOWN:
            return None
        size = found.st_size
        return HostEntry(found.st_mode, found.st_uid, found.st_gid, size, found.st_mtime_ns)

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a directory, in order; none for what cannot be read."""
        if path not in self._names:
            found: list[str] = []
            with suppress(OSError), self._folder(path) as at:
                found = os.listdir(at)
            self._names[path] = tuple(sorted(found))
        return self._names[path]

    def link(self, path: str) -> str:
        """What a symbolic link says; "" when it is none any more."""
        if path not in self._links:
            folder, _, name = path.rpartition("/")
            self._links[path] = ""
            with suppress(OSError), self._folder(folder) as at:
                self._links[path] = os.readlink(name, dir_fd=at)
        return self._links[path]

    def contents(self, path: str) -> bytes | None:
        """A regular file's bytes; None when they cannot be had."""
        if path not in self._contents:
            folder, _, name = path.rpartition("/")
            self._contents[path] = None
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with (
                suppress(OSError),
                self._folder(folder) as at,
                os.fdopen(os.open(name, flags, dir_fd=at), "rb") as file,
            ):
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    self._contents[path] = file.read()
        return self._contents[path]
