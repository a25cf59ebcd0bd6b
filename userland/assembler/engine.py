"""The door to Keystone: one instruction of known shape in, bytes out.

Keystone reads unadorned decimal displacements as hexadecimal, drops what it cannot place and
crashes on directives (`.text`). So only text built here from parsed operands passes, and every
number is written in hex.
"""

from __future__ import annotations

import re
from typing import Final

import keystone

_SAFE: Final = re.compile(
    r"[a-z][a-z0-9]*(?: (?:[$*]|%st\([0-7]\)|%[a-z]+[0-9]?|-?0x[0-9a-f]+|[(),: ]"
    r"|(?<=,)[1248](?=\)))*)?"
)


class Engine:
    """One Keystone assembler for 32-bit AT&T text, with a cache of what it has answered."""

    def __init__(self) -> None:
        self._keystone = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_32)
        self._keystone.syntax = keystone.KS_OPT_SYNTAX_ATT
        self._cache: dict[str, bytes | None] = {}

    def encode(self, text: str) -> bytes | None:
        """The bytes of one instruction, or None when Keystone refuses or drops it."""
        if text not in self._cache:
            self._cache[text] = self._ask(text)
        return self._cache[text]

    def _ask(self, text: str) -> bytes | None:
        if _SAFE.fullmatch(text) is None:
            raise AssertionError(f"text not meant for the engine: {text!r}")
        try:
            encoding, _ = self._keystone.asm(text, 0, True)
        except keystone.KsError:
            return None
        return bytes(encoding) if encoding else None
