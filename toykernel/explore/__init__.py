"""Every order at once: which ends a program can have, and by which schedule."""
