"""Ctrl-C while a foreign function runs that calls back into Python."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_waits(end_soon: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C calls `end_soon` at once, and the handler of SIGINT when the block is left.

    Python may call the handler, which raises, on the way into a callback or out of it, where no `try`
    of the callback's is in force: ctypes prints the exception and drops it. May be used in any thread;
    only the main one is ever told of signals.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    told = False

    def note(_number: int, _frame: object) -> None:
        nonlocal told
        told = True
        end_soon()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if told:
        handler(signal.SIGINT, None)
