"""The data format of docs/events.md: lines of JSON; a state is whole or leads on from the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from emu.paging import PTE_D, PTE_G
from toykernel.arch.x86.asm_offsets import PT_REGS
from toykernel.look.entry_words import BITS
from toykernel.look.register_words import FLAG_BITS, SELECTORS

if TYPE_CHECKING:
    from toykernel.look.image import Image

FORMAT, VERSION = "toykernel-events", 1
#: A whole state again when the changes since the last have so many times its length, or after so many lines.
KEY_BYTES, KEY_LINES = 8, 256

Data = dict[str, Any]


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> Data:
    """The JSON Merge Patch (RFC 7386) that makes `new` of `old`. The same object is not looked into."""
    patch: Data = {}
    for name, value in new.items():
        before = old.get(name)
        if before is value or before == value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            patch[name] = merge_patch(before, value)
        else:
            patch[name] = value
    for name in old.keys() - new.keys():
        patch[name] = None
    return dict(sorted(patch.items())) if len(old.keys() - new.keys()) > 1 else patch


def patched(old: Mapping[str, Any], patch: Mapping[str, Any]) -> Data:
    """What a JSON Merge Patch makes of an object, which stays as it is."""
    new = dict(old)
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        elif isinstance(value, dict):
            before = new.get(name)
            new[name] = patched(before if isinstance(before, dict) else {}, value)
        else:
            new[name] = value
    return new


def line(data: Mapping[str, Any]) -> str:
    """One line of the format."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True) + "\n"


def header(program: str, options: Mapping[str, Any]) -> Data:
    """The first line: what this is, of what run, and the names that the numbers in it stand for."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": program,
        "options": dict(options),
        "names": {
            "pt_regs": list(PT_REGS),
            "entry_bits": [[bit, on, off] for bit, on, off in BITS],
            "not_in_directory": PTE_D | PTE_G,
            "eflags": [[bit, name] for bit, name in FLAG_BITS],
            "selectors": {str(selector): name for selector, name in SELECTORS.items()},
        },
    }


def image_line(image: Image) -> Data:
    """Symbols, lines and sources of one executable: before the first event that needs them."""
    files = image.files()
    numbers = {file: number for number, file in enumerate(files)}
    return {
        "image": image.name,
        "labels": [[value, label] for label, value in sorted(image.labels.items(), key=_by_value)],
        "spans": [list(span) for span in image.spans],
        "files": files,
        "sources": {file: lines for file in files if (lines := image.source_lines(file)) != []},
        "lines": [
            [entry.address, entry.length, numbers[entry.file], entry.line]
            + ([numbers[entry.call[0]], entry.call[1]] if entry.call is not None else [])
            for entry in image.lines
        ],
    }


def _by_value(item: tuple[str, int]) -> tuple[int, str]:
    return item[1], item[0]


class States:
    """Turns states into what a line has of them: `state` whole, or `delta` from the line before."""

    def __init__(self) -> None:
        self._last: Data | None = None
        self._key_size = self._since = self._lines = 0

    def add(self, state: Data) -> Data:
        """The field for the next line."""
        last, self._last = self._last, state
        if (
            last is not None
            and self._lines < KEY_LINES
            and self._since <= KEY_BYTES * self._key_size
        ):
            patch = merge_patch(last, state)
            self._since += len(line(patch))
            self._lines += 1
            return {"delta": patch}
        self._key_size, self._since, self._lines = len(line(state)), 0, 0
        return {"state": state}


def read(lines: Iterable[str]) -> Iterator[Data]:
    """The lines of a file as data, each event with its whole state. Raises ValueError for what is none."""
    state: Data = {}
    for number, text in enumerate(lines):
        data: Data = json.loads(text)
        if not number:
            check_header(data)
        elif "state" in data:
            state = data["state"]
        elif "delta" in data:
            state = patched(state, data.pop("delta"))
            data["state"] = state
        yield data


def check_header(data: Mapping[str, Any]) -> None:
    """Raises ValueError for what is not this format, or a newer version of it."""
    if data.get("format") != FORMAT:
        raise ValueError(f"not lines of {FORMAT}")
    if data.get("version") != VERSION:
        raise ValueError(f"version {data.get('version')} of {FORMAT}, not {VERSION}")


Emit = Callable[[Data], None]
