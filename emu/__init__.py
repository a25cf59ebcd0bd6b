"""A 32-bit x86 machine: CPU, paging, traps, devices and a clock. It knows no operating system."""
