"""The kernel's assembled images, and programs, kept between runs: assembling is the longest part of a start.

One file for each key, which is a hash of everything that the images are made from, the assembler's own
sources included. A file that is damaged, or that cannot be read or written, is as good as none.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

try:  # hashlib loads OpenSSL, which takes as long as ten of our modules
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

#: What is used least goes when the files together are larger.
MAX_SIZE = 64 << 20
_USERLAND = Path(__file__).parent.parent.parent / "userland"


def folder() -> Path:
    """$XDG_CACHE_HOME/toykernel, or the usual place below the home directory."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "toykernel"


@lru_cache(maxsize=1)
def _assembler_identity() -> bytes:
    digest = blake2b(digest_size=32)
    folders = ("assembler", "assembler/cpp", "linker", "include")
    files = (path for name in folders for path in (_USERLAND / name).iterdir() if path.is_file())
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


def key(parts: Iterable[str]) -> str:
    """A name for images that are made from these texts by the assembler as it is installed."""
    digest = blake2b(_assembler_identity(), digest_size=32)
    for part in parts:
        digest.update(blake2b(part.encode()).digest())
    return digest.hexdigest()


def checksum(data: bytes) -> str:
    """A hash of contents, hexadecimal."""
    return blake2b(data, digest_size=32).hexdigest()


def load(name: str) -> dict[str, object] | None:
    """What was kept under a key; None when there is nothing, it is damaged, or cannot be read."""
    with suppress(OSError, ValueError, RuntimeError):  # no home directory is a RuntimeError
        path = folder() / name
        kept, _, body = path.read_bytes().partition(b"\n")
        if checksum(body).encode() == kept:
            found = json.loads(body)
            with suppress(OSError):
                os.utime(path)  # it is in use
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
                file.write(checksum(body).encode() + b"\n" + body)
            os.replace(temporary, place / name)
            if name.startswith("0"):  # one in sixteen: looking at all files takes a while
                _prune(place)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def _prune(place: Path) -> None:
    """Delete what was used longest ago, down to three quarters of MAX_SIZE when there is more than that."""
    files = []
    for entry in os.scandir(place):
        with suppress(OSError):  # another process prunes, too
            status = entry.stat(follow_symlinks=False)
            files.append((status.st_mtime_ns, status.st_size, entry.path))
    total = sum(size for _, size, _ in files)
    if total <= MAX_SIZE:
        return
    for _, size, path in sorted(files):
        if total <= MAX_SIZE * 3 // 4:
            break
        with suppress(OSError):
            os.unlink(path)
        total -= size
