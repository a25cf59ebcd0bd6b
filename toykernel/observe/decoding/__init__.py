"""How strace writes each call: names of constants, structures in memory, results."""
