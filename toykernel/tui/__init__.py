"""The debugger on a full screen (`toykernel debug --tui`); docs/debugging.md."""
