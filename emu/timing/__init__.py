"""How long things take: documented i386 and i486 clocks, every one of them under a named rule."""
