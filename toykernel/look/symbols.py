"""Names and source lines of whatever runs: the program, init, the kernel's text, other executables.

An `Image` (image.py) is one of them; `Images` knows all of a session and which one a task runs. Addresses are
linear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.ram import PAGE_SIZE
from toykernel.arch.x86.asm_offsets import PAGE_OFFSET
from toykernel.collector import Collector, Data, Shared
from toykernel.errno import Errno
from toykernel.fs.binfmt_elf import usual_bias
from toykernel.kernel.signal_types import RLIMIT_STACK
from toykernel.look.image import Image, Place
from toykernel.look.program import of_program

if TYPE_CHECKING:
    from toykernel.state import Kernel
    from toykernel.task import Task

INIT_PID = 1
KERNEL, PROGRAM, INIT, VDSO = "kernel", "program", "init", "vdso"
_FILE_LINE = re.compile(r"(?:(?P<file>.+):)?(?P<line>[0-9]+)\Z")


class SymbolError(Exception):
    """A name or a line that nothing has; the text says which, and what is near."""


@dataclass(frozen=True)
class Code:
    """Addresses that a name or a line stands for, and the image that they are in."""

    image: Image
    addresses: tuple[int, ...]
    what: str


class Images(Collector):
    """Every executable of one session. Listens to exec and fork to know who runs what."""

    def __init__(
        self, k: Kernel, guest_path: str, program: Image, kernel: Image, init: Image
    ) -> None:
        self._k = k
        self._guest_path = guest_path
        self.kernel = kernel
        self.init = init
        self.program = program
        self._others: dict[str, Image] = {}
        self._vdsos: dict[int, Image] = {}  # by address
        self._by_pid: dict[int, Image | None] = {}
        self.start_over()  # a session that has been running already
        k.host.trace.process_exec.append(self._on_exec)
        k.host.trace.process_fork.append(self._on_fork)
        k.host.trace.release_task.append(self._on_release)

    def close(self) -> None:
        """Take the listeners out of the kernel; the images stay."""
        self._k.host.trace.process_exec.remove(self._on_exec)
        self._k.host.trace.process_fork.remove(self._on_fork)
        self._k.host.trace.release_task.remove(self._on_release)

    def start_over(self) -> None:
        """Who runs the program, judged by names."""
        self._others, self._by_pid = {}, {}
        comm = self._guest_path.rsplit("/", 1)[-1][:15]
        for task in self._k.processes.tasks:
            if of_program(task):
                self._by_pid[task.pid] = self.program if task.comm == comm else None

    def save_data(self) -> dict[str, Any]:
        """Who runs which image; images go by their names."""
        who = {pid: image and image.name for pid, image in self._by_pid.items()}
        return {"others": list(self._others), "by_pid": who}

    def load_data(self, data: Data, shared: Shared) -> None:
        """Who ran which image at the moment; one that was not known then is forgotten."""
        self._others = {name: self._others[name] for name in data["others"]}
        named = {image.name: image for image in self.all()}
        self._by_pid = {pid: named[who] if who else None for pid, who in data["by_pid"].items()}

    def _on_exec(self, task: Task, path: str) -> None:
        self._by_pid[task.pid] = self._image_of_path(path, task)

    def _on_fork(self, parent: Task, child: Task, flags: int) -> None:
        self._by_pid[child.pid] = self.of_task(parent)

    def _on_release(self, task: Task) -> None:
        self._by_pid.pop(task.pid, None)

    def _image_of_path(self, path: str, task: Task) -> Image | None:
        if path == self._guest_path:
            return self.program
        if path not in self._others:
            try:
                data = self._k.files.fs.read(path)
                bias = usual_bias(data, task.signal.rlim[RLIMIT_STACK][0])
                self._others[path] = Image.of_elf(path, data, bias)
            except Errno:
                return None
        return self._others[path]

    def of_task(self, task: Task) -> Image | None:
        """The image that a task runs in user mode; None when nothing is known of it."""
        return self._by_pid.get(task.pid, self.init)

    def of_address(self, task: Task, address: int) -> Image | None:
        """The image behind a linear address of a task; the kernel's from PAGE_OFFSET on."""
        if address >= PAGE_OFFSET:
            return self.kernel
        if (
            task.mm is not None
            and task.mm.vdso
            and task.mm.vdso <= address < task.mm.vdso + PAGE_SIZE
        ):
            return self._vdso_at(task.mm.vdso)
        return self.of_task(task)

    def _vdso_at(self, base: int) -> Image:
        """The vDSO, where a task has it."""
        if base not in self._vdsos:
            labels = {name: base + at for name, at in self._k.arch.vdso_symbols.items()}
            first = min(labels.values())
            spans = [(base, first, False), (first, base + PAGE_SIZE, True)]
            self._vdsos[base] = Image(VDSO, labels, {}, (), spans, first)
        return self._vdsos[base]

    def all(self) -> list[Image]:
        """Every image, in the order in which names are looked up."""
        return [self.program, *self._others.values(), self.kernel, self.init]

    # -- names -------------------------------------------------------------------------------------

    def symbol_at(self, task: Task, address: int) -> str | None:
        """`label+offset` for a linear address of a task; None without a label before it."""
        image = self.of_address(task, address)
        return None if image is None else image.symbol_at(address)

    def place_at(self, task: Task, address: int) -> Place | None:
        """The source line of a linear address of a task; None when its image has no line there."""
        image = self.of_address(task, address)
        return None if image is None else image.place_at(address)

    def find(self, name: str) -> list[tuple[Image, int, bool]]:
        """Everything of that name: (image, value, is a label), the first one wins.

        `kernel:NAME`, `init:NAME` and `program:NAME` ask in one image only.
        """
        prefix, colon, rest = name.partition(":")
        images = self.all()
        if colon:
            images = [image for image in images if image.name == prefix]
            name = rest
        labels = [(i, i.labels[name], True) for i in images if name in i.labels]
        return labels + [(i, i.constants[name], False) for i in images if name in i.constants]

    def value(self, name: str) -> int:
        """The value of a label or constant. Raises SymbolError."""
        found = self.find(name)
        if not found:
            raise SymbolError(f'no symbol "{name}"{self._near(name)}')
        return found[0][1]

    def code(self, where: str) -> Code:
        """The code at a label, FILE:LINE, or LINE of the program. Raises SymbolError."""
        labels = [(image, value) for image, value, is_label in self.find(where) if is_label]
        if labels:
            image, value = labels[0]
            if not image.is_code(value):
                raise SymbolError(f"{where} is data, not code (*{where} breaks there all the same)")
            return Code(image, (value,), where)
        if self.find(where):
            raise SymbolError(f"{where} is a constant, not a place in the code")
        match = _FILE_LINE.match(where)
        if match is None:
            raise SymbolError(f'no label "{where}"{self._near(where)}')
        return self._line(match["file"], int(match["line"]))

    def _line(self, file: str | None, line: int) -> Code:
        seen = False
        for image in self.all():
            for known in image.files():
                if file is not None and not _same_file(known, file):
                    continue
                seen = True
                found = image.at_line(known, line)
                if found is not None:
                    return Code(image, found[1], f"{Path(known).name}:{found[0]}")
                if file is None:
                    break  # a bare number is a line of the program's first file
            if file is None:
                break
        if seen:
            raise SymbolError(f"no code at or after line {line}" + (f" of {file}" if file else ""))
        names = dict.fromkeys(Path(f).name for image in self.all() for f in image.files())
        known_files = ", ".join(names) or "none: the program has no line table"
        raise SymbolError(f"no source file {file}; there are: {known_files}")

    def _near(self, name: str) -> str:
        names = [label for image in self.all() for label in image.labels]
        near = get_close_matches(name, names, 1)
        return f"; did you mean {near[0]}?" if near else ""


def _same_file(known: str, asked: str) -> bool:
    """Whether `asked` is the end of a path, by whole names."""
    parts, wanted = Path(known).parts, Path(asked).parts
    return bool(wanted) and parts[-len(wanted) :] == wanted
