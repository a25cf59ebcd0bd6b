"""The files that a command writes: none that it reads, no two the same; whole, or line by line."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import click

from toykernel.cli.console import broken_pipe, write_all
from toykernel.errors import HostError
from toykernel.harness.exit_status import EXIT_MISUSE
from toykernel.host_files import check_replaceable, replace_file, same_file

_STANDARD = ("standard input", "standard output", "standard error")
_FOLDERS = ("/dev/fd", "/proc/self/fd")


class Output:
    """One file of an option. The constructor raises OSError or ValueError for what cannot be written.

    A `whole` file gets its new contents in one step when `write` is called, once; what is written to
    another one is there at once, and its old contents are gone with the first write. `-`, pipes, devices and
    /dev/stdout are written as it comes.
    """

    def __init__(self, path: str, *, whole: bool, permissions: int | None = None) -> None:
        """`permissions`: of a whole file; None as `replace_file` has it."""
        self.path = path
        self._permissions = permissions
        self._made = ""  # the path of a file that was not there before
        self._started = False
        #: Whether there has been anything.
        self.written = False
        self._fd: int | None = None
        self.stream = is_stream(path)
        self._whole = whole and not self.stream
        if path == "-":
            return
        number = descriptor_of(path)
        if number is not None:
            self._fd = os.dup(number)
        elif self._whole:
            check_replaceable(path)
        else:
            self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        target = os.path.realpath(self.path)  # O_EXCL takes a link to nothing for a file
        try:
            self._fd = os.open(target, flags | os.O_EXCL, 0o666)
            self._made = target
        except FileExistsError:
            self._fd = os.open(self.path, flags, 0o666)

    def write(self, data: bytes) -> None:
        """Append bytes. Raises HostError: 141 when it is a pipe that nobody reads any more."""
        try:
            self._write(data)
        except BrokenPipeError:
            raise broken_pipe() from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise HostError(EXIT_MISUSE, f"cannot write {self.path}: {reason}") from None

    def _write(self, data: bytes) -> None:
        self.written = True
        if self._whole:
            replace_file(self.path, data, self._permissions)
            return
        if self._fd is None:
            write_all(1, data)
            return
        if not self._started:
            self._started = True
            if not self.stream:
                os.ftruncate(self._fd, 0)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def close(self) -> None:
        """Close the file; one that was made and got nothing is removed. Harmless when done already."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        os.close(fd)
        if self._made and not self._started:
            with suppress(OSError):
                os.unlink(self._made)


class Outputs:
    """The outputs of one command, opened before its work so that none of it is lost; closed on leaving.

    `read` are the files that the command reads, each with what it is, in words.
    """

    def __init__(self, read: Iterable[tuple[str, str]]) -> None:
        self._read = list(read)
        self._open: list[tuple[str, Output]] = []

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for _, output in self._open:
            output.close()

    def open(
        self,
        option: str,
        path: str | None,
        *,
        whole: bool = True,
        permissions: int | None = None,
    ) -> Output | None:
        """The file of an option, None without a path. Raises click.BadParameter."""
        if path is None:
            return None
        why = self._refused(option, path)
        if why:
            raise click.BadParameter(why, param_hint=option)
        try:
            output = Output(path, whole=whole, permissions=permissions)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.BadParameter(f"cannot write {path}: {reason}", param_hint=option) from None
        self._open.append((option, output))
        return output

    def write_now(self, what: str, path: str, data: bytes) -> None:
        """A whole file that was not asked for on the command line. Raises click.BadParameter, HostError."""
        why = self._refused(what, path)
        if why:
            raise click.BadParameter(why, param_hint=what)
        try:
            output = Output(path, whole=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.BadParameter(f"cannot write {path}: {reason}", param_hint=what) from None
        try:
            output.write(data)
        finally:
            output.close()

    def _refused(self, option: str, path: str) -> str:
        if is_stream(path):
            return ""
        for what, other in self._read:
            if same_file(path, other):
                return f"{path} is {what} itself; name another file"
        for number, name in enumerate(_STANDARD):
            if _is_descriptor(path, number):
                return f"{path} is {name}, too; name another file"
        for taken, output in self._open:
            if not output.stream and same_file(path, output.path):
                if taken == option:
                    return f"{path} is written twice"
                return f"{path} is what {taken} writes, too; name another file"
        return ""

    def refuse(self, what: str, files: Iterable[str]) -> None:
        """Refuse outputs that are files which the command reads, as turns out late. Raises
        click.BadParameter.
        """
        for file in files:
            for option, output in self._open:
                if not output.stream and same_file(output.path, file):
                    raise click.BadParameter(
                        f"{output.path} is {what}; name another file", param_hint=option
                    )


def inputs_of(program: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a command reads by its parsed options MACHINE and SOURCES, for Outputs."""
    files = [("the program", program)]
    files += [("a file of --with", path) for path in values["with_files"]]
    files += [("a file of --file", host) for host, _ in values["file"]]
    for option in ("stdin", "input", "against", "schedule"):
        if values.get(option):
            files.append((f"the file of --{option}", values[option]))
    return files


def descriptor_of(path: str) -> int | None:
    """The number of a descriptor of this process that a path names, as /dev/stdout does."""
    own = (*_FOLDERS, f"/proc/{os.getpid()}/fd")
    with suppress(OSError, ValueError):
        for _ in range(40):  # links, at most
            folder, name = os.path.split(os.path.abspath(path))
            if name.isdecimal() and os.path.realpath(folder) in own:
                return int(name)
            path = os.path.join(folder, os.readlink(path))
    return None


def is_stream(path: str) -> bool:
    """Whether what is written there goes on to somebody, or nowhere: a descriptor, a pipe, a device."""
    if path == "-" or descriptor_of(path) is not None:
        return True
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def _is_descriptor(path: str, number: int) -> bool:
    """Whether a regular file is also what a standard descriptor leads to."""
    with suppress(OSError, ValueError):
        return os.path.samestat(os.stat(path), os.fstat(number))
    return False
