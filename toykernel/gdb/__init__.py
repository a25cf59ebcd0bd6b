"""The GDB remote serial protocol: a stock gdb as the debugger of every process of the guest."""
