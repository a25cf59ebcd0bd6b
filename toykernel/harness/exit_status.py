"""What the host command exits with, besides the guest program's own status."""

from __future__ import annotations

#: The kernel or the command line itself went wrong: an oops, a broken invariant, a bug (EX_SOFTWARE).
EXIT_BUG = 70
#: Every task sleeps for ever (EX_TEMPFAIL).
EXIT_DEADLOCK = 75
#: --max-cycles was reached; timeout(1) has the same.
EXIT_LIMIT = 124
#: The command could not do what it was asked: options, files, a program that cannot be loaded.
EXIT_MISUSE = 125
#: Ctrl-C: SIGINT is 2.
EXIT_INTERRUPTED = 130
#: Signal n ended the program: 128 + n, as a shell has it.
SIGNALED = 128
