"""The kernel's assembled images, kept between runs: assembling them is the longest part of a start.

One file for each key, which is a hash of everything that the images are made from, the assembler's own
sources included. A file that is damaged, or that cannot be read or written, is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

_USERLAND = Path(__file__).parent.parent.parent / "userland"


def folder() -> Path:
    """$XDG_CACHE_HOME/toykernel, or the usual place below the home directory."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "toykernel"


@lru_cache(maxsize=1)
def _assembler_identity() -> bytes:
    digest = hashlib.sha256()
    folders = ("assembler", "assembler/cpp", "linker", "include")
    files = (path for name in folders for path in (_USERLAND / name).iterdir() if path.is_file())
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


def key(parts: Iterable[str]) -> str:
    """A name for images that are made from these texts by the assembler as it is installed."""
    digest = hashlib.sha256(_assembler_identity())
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    return digest.hexdigest()


def load(name: str) -> dict[str, object] | None:
    """What was kept under a key; None when there is nothing, it is damaged, or cannot be read."""
    with suppress(OSError, ValueError, RuntimeError):  # no home directory is a RuntimeError
        checksum, _, body = (folder() / name).read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() == checksum:
            found = json.loads(body)
            return found if isinstance(found, dict) else None
    return None


def keep(name: str, data: dict[str, object]) -> None:
    """Keep images under a key, if that is possible;
    whoever reads meanwhile sees the old state or the new.
    """
    body = json.dumps(data, sort_keys=True).encode()
    with suppress(OSError, RuntimeError):
        place = folder()
        place.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:16]}.", dir=place)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            os.replace(temporary, place / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
