"""A 32-bit x86 machine: CPU, paging, traps, devices and a clock, with no idea of an operating system."""
