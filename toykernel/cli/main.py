"""The command `toykernel`. Nothing heavy is imported before it is known to be needed."""

from __future__ import annotations

import sys

from toykernel.harness.exit_status import EXIT_INTERRUPTED


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        from toykernel.cli.group import call

        status = call(sys.argv[1:])
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
