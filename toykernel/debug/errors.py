"""What a debugger command says when it cannot do what was asked."""

from __future__ import annotations


class DebugError(Exception):
    """The command was wrong, or what it asks for is not there; the text says what to do."""
