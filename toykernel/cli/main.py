"""The command `toykernel`. Nothing is imported before Ctrl-C is known to end it quietly."""

from __future__ import annotations

import sys

#: As toykernel.harness.exit_status.EXIT_INTERRUPTED, which is not imported yet.
_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        from toykernel.cli.group import call

        status = call(sys.argv[1:])
    except KeyboardInterrupt:
        status = _INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
