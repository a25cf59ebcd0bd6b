"""The command `toykernel`. Nothing is imported before Ctrl-C is known to end it quietly."""

from __future__ import annotations

import gc
import sys

#: As toykernel.harness.exit_status.EXIT_INTERRUPTED and EXIT_MISUSE, which are not imported yet.
_INTERRUPTED, _MISUSE = 130, 125
#: New objects until Python looks for garbage that refers to itself, 700 otherwise. A start makes a hundred
#: thousand and leaves next to none.
_YOUNG = 150_000


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(_YOUNG)
    try:
        try:
            from toykernel.cli.console import prepare_streams

            prepare_streams()
            from toykernel.cli.group import call
        except (MemoryError, ImportError, OSError) as error:
            status = cannot_start(error)
        else:
            status = call(sys.argv[1:])
    except KeyboardInterrupt:
        status = _INTERRUPTED
    gc.freeze()  # the end of the process is no time to look for garbage
    sys.exit(status)


def cannot_start(error: Exception) -> int:
    """Our own modules cannot be loaded: say why; the exit status for it."""
    if isinstance(error, MemoryError):
        error = MemoryError("not enough memory")
    sys.stderr.write(f"toykernel: cannot start: {error}\n")
    return _MISUSE


if __name__ == "__main__":
    main()
