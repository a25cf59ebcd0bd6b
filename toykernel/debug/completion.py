"""What Tab offers at the prompt: what the command takes at that place."""

from __future__ import annotations

from collections.abc import Iterable
from glob import glob
from pathlib import Path

from emu.microcode import VECTOR_NAMES
from toykernel.debug.commands import COMMANDS, GROUPS, find
from toykernel.debug.commands.command import Console
from toykernel.debug.commands.info import TOPICS
from toykernel.debug.errors import DebugError
from toykernel.look.task import SEGMENTS
from toykernel.syscall_table import BY_NAME

#: Between words, and between the parts of an expression.
DELIMITERS = " \t*$+-/()"
REGISTERS = (
    *("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags"),
    *(*SEGMENTS, "cr0", "cr2", "cr3", "cr4"),
)
_EVENTS = ("syscall", "trap", "fork", "cow")
_PLACES = frozenset(("break", "tbreak", "until", "advance"))
_PID_TOPICS = frozenset(
    (
        *("task", "frame", "pt_regs", "stack", "thread_info", "timers"),
        *("files", "signals", "mm", "sharing", "vma"),
    )
)


def candidates(console: Console, before: str, text: str) -> list[str]:
    """The words that begin with `text`, where `before` stands in front of it on the line."""
    found = _words(console, before, text)
    return sorted({word for word in found if word.startswith(text)})


def _words(console: Console, before: str, text: str) -> Iterable[str]:
    head, *rest = before.split() or [""]
    if not before.strip():
        return [command.name for command in COMMANDS]
    try:
        command = find(head.partition("/")[0]).name
    except DebugError:
        return []
    if before.endswith("$"):
        return REGISTERS
    match command:
        case "help":
            return [*(c.name for c in COMMANDS), *(title.lower().split()[-1] for title in GROUPS)]
        case "info" if not rest:
            return [topic.name for topic in TOPICS]
        case "info":
            return _of_topic(console, rest[0])
        case "task":
            return _pids(console)
        case "delete":
            return [str(number) for number in console.debugger.stops.all]
        case "source":
            return [f"{path}/" if Path(path).is_dir() else path for path in glob(f"{text}*")]
        case _ if command in _PLACES and rest == ["syscall"]:
            return BY_NAME
        case _ if command in _PLACES and rest == ["trap"]:
            return VECTOR_NAMES.values()
        case _ if command in _PLACES:
            return [*_EVENTS, *_labels(console), *_files(console)]
        case "list":
            return [*_labels(console), *_files(console)]
    return _labels(console)


def _of_topic(console: Console, word: str) -> Iterable[str]:
    names = [topic.name for topic in TOPICS if topic.name.startswith(word)]
    topic = "regs" if word == "registers" else word if word in names else "".join(names[:1])
    if topic == "regs":
        return [*REGISTERS, *_pids(console)]
    if topic in _PID_TOPICS:
        return _pids(console)
    return [*_labels(console), *(_files(console) if topic == "line" else ())]


def _pids(console: Console) -> list[str]:
    return [str(view.pid) for view in console.debugger.session.tasks]


def _labels(console: Console) -> set[str]:
    return {label for image in console.debugger.images.all() for label in image.labels}


def _files(console: Console) -> list[str]:
    """Names of source files, with the colon that a line's number follows."""
    images = console.debugger.images.all()
    return [f"{Path(file).name}:" for image in images for file in image.files()]
