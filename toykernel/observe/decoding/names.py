"""Names of constants, in the order in which strace tries them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Constants by their values, and the comment behind what has no name (`MAP_???`; "" for none)."""

    values: tuple[tuple[int, str], ...]
    unknown: str = ""

    def find(self, value: int) -> str | None:
        """The name of a value."""
        return next((name for number, name in self.values if number == value), None)

    def one(self, value: int, unknown: str | None = None) -> str:
        """One of several, or the number with its comment."""
        return self.find(value) or commented(value, self.unknown if unknown is None else unknown)

    def bits(self, value: int) -> tuple[list[str], int]:
        """The names of the bits that are set, and what is left."""
        found = []
        for bits, name in self.values:
            if bits and value & bits == bits:
                found.append(name)
                value &= ~bits
        return found, value

    def flags(self, value: int, unknown: str | None = None) -> str:
        """Names joined by `|`; what is left in hexadecimal. A first name for 0 stands for no bit; where
        there is none, and no comment for what is unknown, strace writes nothing.
        """
        if not value:
            number, name = self.values[0]
            nothing = "0" if (self.unknown if unknown is None else unknown) else ""
            return nothing if number else name
        found, left = self.bits(value)
        if not found:
            return commented(left, self.unknown if unknown is None else unknown)
        return "|".join([*found, *([f"{left:#x}"] if left else [])])


def names(unknown: str, text: str) -> Names:
    """From `NAME=NUMBER …`."""
    pairs = (word.rpartition("=") for word in text.split())
    return Names(tuple((int(number, 0), name) for name, _, number in pairs), unknown)


def hexadecimal(value: int) -> str:
    """As C's %#x: 0 has no prefix."""
    return f"{value:#x}" if value else "0"


def commented(value: int, comment: str) -> str:
    """A number that has no name."""
    return hexadecimal(value) + (f" /* {comment} */" if comment else "")
