"""A moment in a file.

A line with the magic and the version, a line of JSON (the header), and a compressed document: see
encoding.py. Nothing of it is executed. The header has the program's hash and the state's; the state's is
worked out again once the file is loaded.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emu.snapshot import SNAPSHOT_VERSION
from emu.snapshot import Snapshot as MachineSnapshot
from toykernel.history.encoding import decode, encode
from toykernel.history.errors import HistoryError
from toykernel.host_files import read_regular, replace_file
from toykernel.state import Config

MAGIC = b"toykernel moment "
VERSION = 1
#: Bytes that a document may have once it is unpacked: the largest RAM, twice.
_LARGEST = 6 << 30
_LONGEST_HEADER = 4096


@dataclass(frozen=True)
class Saved:
    """What a file has. `listeners` are the session's own, by name."""

    path: str
    guest_path: str
    elf: bytes
    config: Config
    keep_output: bool
    machine: MachineSnapshot
    kernel: dict[str, Any]
    listeners: dict[str, tuple[dict[str, Any], dict[str, tuple[Any, ...]]]]
    output: dict[int, bytes]
    messages: int


def contents(saved: Saved, state: str) -> bytes:
    """What a file of a moment has in it. Raises HistoryError."""
    document = json.dumps(encode(saved), ensure_ascii=False, separators=(",", ":"))
    body = zlib.compress(document.encode("utf-8", "surrogatepass"), 1)
    header = {
        "program": hashlib.sha256(saved.elf).hexdigest(),
        "state": state,
        "machine": SNAPSHOT_VERSION,
        "body": hashlib.sha256(body).hexdigest(),
    }
    return MAGIC + b"%d\n" % VERSION + json.dumps(header).encode() + b"\n" + body


def write(path: Path, data: bytes) -> None:
    """Make a file; one that is there already is replaced when the new one is whole. Raises HistoryError."""
    try:
        replace_file(path, data)
    except (OSError, ValueError) as error:
        raise HistoryError(f"cannot write {path}: {_reason(error)}") from None


def read(path: Path) -> tuple[Saved, str]:
    """What a file has, and the hash that the state must have. Raises HistoryError in one line."""
    try:
        data = read_regular(path)
    except (OSError, ValueError) as error:
        raise HistoryError(f"cannot read {path}: {_reason(error)}") from None
    try:
        return _parse(data)
    except HistoryError as error:
        raise HistoryError(f"{path}: {error}") from None


def _parse(data: bytes) -> tuple[Saved, str]:
    first, _, rest = data.partition(b"\n")
    if not first.startswith(MAGIC):
        raise HistoryError("not a saved moment of toykernel")
    version = first.removeprefix(MAGIC)
    if not version.isdigit():
        raise HistoryError("it is damaged")
    if int(version) != VERSION:
        age = "a newer" if int(version) > VERSION else "an older"
        raise HistoryError(f"it is of {age} version, {int(version)}; this program reads {VERSION}")
    line, _, body = rest.partition(b"\n")
    header = _json(line) if len(line) < _LONGEST_HEADER else None
    if not isinstance(header, dict) or hashlib.sha256(body).hexdigest() != header.get("body"):
        raise HistoryError("it is damaged")
    if header.get("machine") != SNAPSHOT_VERSION:
        raise HistoryError(
            f"its machine is of version {header.get('machine')}, not {SNAPSHOT_VERSION}"
        )
    document = _json(_unpacked(body))
    if not isinstance(document, dict):
        raise HistoryError("it is damaged")
    try:
        saved = decode(document)
    except HistoryError as error:
        raise HistoryError(f"it is damaged: {error}") from None
    if not isinstance(saved, Saved) or not isinstance(saved.elf, bytes):
        raise HistoryError("it is damaged: there is no moment in it")
    if hashlib.sha256(saved.elf).hexdigest() != header.get("program"):
        raise HistoryError("it is damaged: its program is another one")
    return saved, str(header.get("state"))


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        document = unpacker.decompress(body, _LARGEST)
    except zlib.error:
        raise HistoryError("it is damaged") from None
    if not unpacker.eof:
        raise HistoryError("it is damaged")
    return document


def _json(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise HistoryError("it is damaged") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
