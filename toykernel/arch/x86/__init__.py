"""The i386: entry code, traps, page tables, user access, switching."""
