"""Terminals: line discipline, job control, pseudo-terminals."""
