"""Why the machine hands control back to whoever runs it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

DR6_BS = 1 << 14


class Stop(Enum):
    """Why a run ended."""

    GATE = "gate"  # the guest wrote a gate port: `value`
    LIMIT = "limit"  # the clock reached the caller's limit
    STEP = "step"  # one step was asked for, and done
    BREAKPOINT = "breakpoint"  # before the instruction at `address`
    TRAP = "trap"  # a trap that was asked to stop has just been delivered: `value` = vector
    WATCH = "watch"  # after an access that a debugger watches: `value` = debug registers' bits
    HALT = "halt"  # halted, and no device will ever wake it
    POWER_OFF = "power-off"  # `value` = status
    SHUTDOWN = "shutdown"  # triple fault
    BUS_ERROR = "bus error"  # an access outside RAM: `address` = EIP


class Position(NamedTuple):
    """A place in a run, between two steps: later ones compare greater, and no two are equal.

    A step completes an instruction, or delivers a trap (which it may do besides), or lets a halted CPU wait.
    """

    instructions: int  # completed since power-on
    deliveries: int  # of traps
    cycles: int


class Event(NamedTuple):
    """One reason to stop, with its number: see Stop."""

    stop: Stop
    value: int = 0
    address: int = 0
    port: int = 0
