"""Host output: the guest's bytes as they come, our own messages, files that must be writable."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from contextlib import suppress

from toykernel.errors import HostError
from toykernel.harness.exit_status import EXIT_MISUSE, SIGNALED

SIGPIPE = 13


def broken_pipe() -> HostError:
    """Nobody reads our output any more: quiet, with the status a shell sees of such a program."""
    with suppress(OSError):  # Python would complain when it flushes at exit
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
    return HostError(SIGNALED + SIGPIPE, "")


def write_all(fd: int, data: bytes) -> None:
    """Write to a host descriptor, all of it, waiting where it is non-blocking.

    Raises HostError.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except BrokenPipeError:
            raise broken_pipe() from None
        except OSError as error:
            name = {1: "standard output", 2: "standard error"}.get(fd, "output")
            raise HostError(EXIT_MISUSE, f"cannot write {name}: {error.strerror}") from None


def guest_console(fd: int, data: bytes) -> None:
    """The guest's console: its descriptor 2 is the host's, everything else standard output."""
    write_all(2 if fd == 2 else 1, data)


def host_message(text: str) -> None:
    """A line of ours on standard error; a closed one is no reason to fail."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"toykernel: {text}\n")
        sys.stderr.flush()


class OutputFile:
    """A file that is opened before the work starts, so that no work is lost at the end of it.

    An existing file keeps its contents until `write`; one that was made and never written to is
    removed by `close`. `-` is standard output. The constructor raises OSError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._made = False
        self._fd: int | None = None
        self._started = False
        if path == "-":
            return
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            self._made = True
        except FileExistsError:
            self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(self._fd).st_mode):
            os.close(self._fd)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)

    def write(self, data: bytes) -> None:
        """Append to what has been written; the first time the old contents go. Raises OSError."""
        if self._fd is None:
            write_all(1, data)
            return
        if not self._started:
            self._started = True
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                os.ftruncate(self._fd, 0)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def close(self) -> None:
        """Close the file; harmless when done already. Raises OSError."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        os.close(fd)
        if self._made and not self._started:
            with suppress(OSError):
                os.unlink(self.path)
