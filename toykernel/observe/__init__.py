"""Tracers: listeners on the tracepoints, unknown to the kernel."""
