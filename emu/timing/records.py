"""Where decoded instructions are kept: by linear address and bytes, so that other code at the same
address (another program, a patched instruction) is another record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from emu.timing.cost import Cost, cost
from emu.timing.decode import Decoded, decode, unknown
from emu.timing.insn import Insn, disassembler
from emu.timing.profiles import PROFILES, Profile

LONGEST = 15


def decoded(code: bytes) -> Decoded:
    """The instruction at the start of up to 15 bytes; unknown ones have a length too."""
    d = decode(code)
    if d is None:
        found = next(disassembler().disasm_lite(code, 0), None)
        d = unknown(found[1] if found else 1)
    return d


@lru_cache(maxsize=1 << 14)
def _cost_of(code: bytes, profile: str) -> Cost:
    return cost(decoded(code), PROFILES[profile])


def length_of(code: bytes) -> int:
    """Bytes of the instruction at the start of up to 15 bytes."""
    return decoded(code).length


def cost_of(code: bytes, profile: Profile) -> Cost:
    """The cost of the instruction at the start of up to 15 bytes."""
    return _cost_of(code, profile.name)


class Records:
    """Decoded instructions. `fetch` reads up to 15 bytes of code at a linear address."""

    def __init__(self, profile: Profile, fetch: Callable[[int], bytes]) -> None:
        self._profile = profile
        self._fetch = fetch
        self._by_address: dict[int, list[Insn]] = {}

    def find(self, address: int) -> Insn | None:
        """The record of the instruction that is at an address now; None where nothing is mapped."""
        code = self._fetch(address)
        if not code:
            return None
        known = self._by_address.setdefault(address, [])
        for insn in known:
            if code.startswith(insn.code):
                return insn
        c = cost_of(code, self._profile)
        insn = Insn(address, code[: c.decoded.length], c)
        known.append(insn)
        return insn

    def __iter__(self) -> Iterator[Insn]:
        for address in sorted(self._by_address):
            yield from sorted(self._by_address[address], key=lambda insn: insn.code)

    def clear(self) -> None:
        """Forget every record, and so all counts."""
        self._by_address.clear()
