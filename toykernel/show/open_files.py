"""Descriptor tables, open files and pipes with what is in them, as a state has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toykernel.fs.file import O_APPEND, O_NONBLOCK, File, FilesStruct
from toykernel.fs.pipe_fs_i import Pipe, peek

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

#: Bytes of a pipe that are shown; how many it holds is said besides.
SHOWN = 256


class OpenFiles:
    """By the address of the record; those that boot made have none, and go by their order."""

    def __init__(self, k: Kernel) -> None:
        self._k = k
        self._names: dict[int, str] = {}
        self.tables: dict[str, Any] = {}
        self.opened: dict[str, Any] = {}
        self.pipes: dict[str, Any] = {}
        for task in k.processes.tasks:
            if task.files is not None:
                self._add(task.files)

    def table(self, task: Task) -> str:
        """The name of a task's descriptor table; empty when it has none."""
        return self._names[id(task.files)] if task.files is not None else ""

    def _name(self, record: FilesStruct | File | Pipe, among: dict[str, Any]) -> tuple[str, bool]:
        """Its name, and whether it is met for the first time."""
        known = self._names.get(id(record))
        if known is not None:
            return known, False
        made_by_boot = f"boot{sum(1 for name in among if name.startswith('boot'))}"
        name = f"{record.slab:08x}" if record.slab else made_by_boot
        self._names[id(record)] = name
        return name, True

    def _add(self, files: FilesStruct) -> None:
        name, new = self._name(files, self.tables)
        if not new:
            return
        table: dict[str, Any] = {"count": files.count, "fd": {}}
        self.tables[name] = table
        for number, file in sorted(files.fd.items()):
            table["fd"][str(number)] = self._open(file)
        if files.close_on_exec:
            table["close_on_exec"] = sorted(files.close_on_exec)

    def _open(self, file: File) -> str:
        name, new = self._name(file, self.opened)
        if new:
            access = [
                word for word, on in (("read", file.readable), ("write", file.writable)) if on
            ]
            flags = ((O_APPEND, "append"), (O_NONBLOCK, "nonblock"))
            access += [word for bit, word in flags if file.flags & bit]
            self.opened[name] = one = {
                "path": file.path,
                "access": ", ".join(access),
                "pos": file.pos,
                "count": file.count,
            }
            if isinstance(file.inode.private, Pipe):
                one["pipe"] = self._pipe(file.inode.private)
        return name

    def _pipe(self, pipe: Pipe) -> str:
        name, new = self._name(pipe, self.pipes)
        if new:
            data, size = b"", 0
            for buf in pipe.bufs:
                size += buf.length
                if len(data) < SHOWN:
                    data += peek(self._k, buf, min(buf.length, SHOWN - len(data)))
            self.pipes[name] = {
                "readers": pipe.readers,
                "writers": pipe.writers,
                "size": size,
                "data": data.decode("latin-1"),
            }
        return name
