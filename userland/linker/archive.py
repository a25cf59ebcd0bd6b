"""Static libraries: ar archives in the GNU and BSD flavours, with the index of their symbols."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .errors import LinkError

MAGIC = b"!<arch>\n"
THIN_MAGIC = b"!<thin>\n"
_HEADER = 60


@dataclass(frozen=True)
class Archive:
    """`members` are (name, bytes) by the offset of their header; `index` tells which member defines a
    symbol, as `ar s` has written it."""

    name: str
    members: dict[int, tuple[str, bytes]]
    index: dict[str, int]


def read_archive(data: bytes, name: str) -> Archive:
    """The members of an ar archive with its index of symbols. Raises LinkError for a thin or
    damaged archive, or one without an index.
    """
    if data.startswith(THIN_MAGIC):
        raise LinkError(
            f"{name}: a thin archive, which holds no objects", "make it again without `T'"
        )
    members: dict[int, tuple[str, bytes]] = {}
    index: dict[str, int] = {}
    long_names = b""
    at = len(MAGIC)
    has_index = False
    try:
        while at < len(data):
            header = data[at : at + _HEADER]
            if len(header) < _HEADER or header[58:60] != b"`\n":
                raise ValueError(f"no member header at {at:#x}")
            raw, size = header[:16].rstrip(b" "), int(header[48:58])
            body = data[at + _HEADER : at + _HEADER + size]
            if len(body) < size:
                raise ValueError("a member lies behind the end of the file")
            if raw == b"/":
                index, has_index = _symbol_index(body), True
            elif raw == b"//":
                long_names = body
            else:
                members[at] = _member(raw, body, long_names)
            at += _HEADER + size + size % 2
    except (ValueError, struct.error, IndexError) as error:
        raise LinkError(f"{name}: the archive is damaged ({error})") from None
    if members and not has_index:
        raise LinkError(f"{name}: the archive has no index of symbols", f"run `ranlib {name}'")
    return Archive(name, members, index)


def _symbol_index(body: bytes) -> dict[str, int]:
    (count,) = struct.unpack_from(">I", body)
    offsets = struct.unpack_from(f">{count}I", body, 4)
    names = body[4 + 4 * count :].split(b"\0")[:count]
    index: dict[str, int] = {}
    for name, offset in zip(names, offsets, strict=True):
        index.setdefault(name.decode("utf-8", "surrogateescape"), offset)
    return index


def _member(raw: bytes, body: bytes, long_names: bytes) -> tuple[str, bytes]:
    if raw.startswith(b"#1/"):  # BSD: the name stands before the contents
        length = int(raw[3:])
        return body[:length].rstrip(b"\0").decode(errors="replace"), body[length:]
    if raw.startswith(b"/"):
        start = int(raw[1:])
        name = long_names[start : long_names.index(b"\n", start)]
        return name.rstrip(b"/").decode(errors="replace"), body
    return raw.rstrip(b"/").decode(errors="replace"), body
