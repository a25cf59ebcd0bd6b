"""The files that exist: paths and contents, as the host put them there before the start."""

from __future__ import annotations

from toykernel.errno import ENOENT, Errno


class RamFs:
    """A flat set of read-only files by absolute path."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = {self._absolute(path): data for path, data in sorted(files.items())}

    @staticmethod
    def _absolute(path: str) -> str:
        return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))

    def read(self, path: str) -> bytes:
        """Contents of a file. Raises Errno(ENOENT)."""
        data = self._files.get(self._absolute(path))
        if data is None:
            raise Errno(ENOENT)
        return data
