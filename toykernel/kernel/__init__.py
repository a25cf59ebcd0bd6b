"""Processes: fork, exit, pids, signals, waiting."""
