"""Programs in i386 assembly, and the assembler front end that builds them."""
