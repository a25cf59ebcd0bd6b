"""The command `toykernel`. Nothing heavy is imported before it is known to be needed."""

from __future__ import annotations

import sys

from toykernel.harness.exit_status import EXIT_INTERRUPTED, EXIT_MISUSE


def main() -> None:
    """Run the command line and exit with its status."""
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
        status = EXIT_INTERRUPTED
    sys.exit(status)


def cannot_start(error: Exception) -> int:
    """Our own modules cannot be loaded: say why; the exit status for it."""
    if isinstance(error, MemoryError):
        error = MemoryError("not enough memory")
    sys.stderr.write(f"toykernel: cannot start: {error}\n")
    return EXIT_MISUSE


if __name__ == "__main__":
    main()
