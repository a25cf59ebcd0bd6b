"""Files of the host: read when they are regular files, replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

#: What would end the process while a file is half written, if nobody listens.
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class NotRegularError(ValueError):
    """A device, a pipe, a socket or a directory stands where a file should; the text says which."""


def shared_folder() -> Path:
    """Where README.md, docs/ and exercises/ lie: in the package when it was built, else beside it."""
    package = Path(__file__).parent
    built = package / "share"
    return built if built.is_dir() else package.parent


def kind_of(mode: int) -> str:
    """What a file's mode says it is, in words; "" for a regular file."""
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return "a device"
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket"


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes. Raises NotRegularError, without waiting for a pipe's writer; OSError, ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = kind_of(os.fstat(descriptor).st_mode)
    if kind:
        os.close(descriptor)
        if kind == "a directory":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        raise NotRegularError(f"{kind}, not a file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def replace_file(path: str | os.PathLike[str], data: bytes, permissions: int | None = None) -> None:
    """Give a file these contents. However that ends, it has all of its old contents or all of the new.

    A symbolic link stays one. `permissions` is the file's mode; None keeps that of the old file, and gives a
    new one what the umask leaves. A file whose folder cannot be written is written in its place, its room
    reserved first. Raises OSError or ValueError.
    """
    target = os.path.realpath(path)
    with suppress(FileNotFoundError):
        old = os.stat(target)
        if not stat.S_ISREG(old.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
        if permissions is None:
            permissions = stat.S_IMODE(old.st_mode)
            if not os.access(target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), target)
    try:
        descriptor, temporary = _new_beside(target)
    except OSError:
        if not os.path.exists(target):
            raise
        _write_in_place(target, data)
        return
    with _removed_by_signals(temporary):
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if permissions is not None:
                    os.fchmod(file.fileno(), permissions)
            os.replace(temporary, target)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError) and error.errno == errno.EBUSY:  # a mount point
                _write_in_place(target, data)
                return
            raise


def same_file(one: str, other: str) -> bool:
    """Whether two paths lead to one file, which need not be there yet."""
    with suppress(OSError, ValueError):
        if os.path.realpath(one) == os.path.realpath(other):
            return True
        return os.path.samefile(one, other)
    return False


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raises the OSError or ValueError that `replace_file` would meet now, if any; changes nothing."""
    target = os.path.realpath(path)
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
    if os.path.exists(target):
        os.close(os.open(target, os.O_WRONLY | os.O_CLOEXEC))
        return
    descriptor, temporary = _new_beside(target)
    os.close(descriptor)
    os.unlink(temporary)


def _new_beside(target: str) -> tuple[int, str]:
    """An empty file in the same folder, for nobody else: its descriptor and name."""
    folder, name = os.path.split(target)
    for number in count():
        temporary = os.path.join(folder, f".{name[:40]}.{os.getpid()}.{number}")
        with suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            return os.open(temporary, flags, 0o666), temporary
    raise AssertionError("count never ends")


@contextmanager
def _removed_by_signals(temporary: str) -> Iterator[None]:
    """A signal that ends the process takes the unfinished file with it."""

    def end(number: int, _frame: object) -> None:
        with suppress(OSError):
            os.unlink(temporary)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    changed = []
    with suppress(ValueError):  # only the main thread may
        for number in _ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                changed.append(number)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _write_in_place(target: str, data: bytes) -> None:
    """Write where no file can be put beside: nothing is touched before there is room for all of it."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (*_ENDING, signal.SIGINT))
    try:
        with open(target, "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                if len(data) > size:
                    os.posix_fallocate(file.fileno(), size, len(data) - size)
            except OSError:
                file.truncate(size)
                raise
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]
            file.truncate(len(data))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
