"""Moments of a run: taken, gone back to, kept in a file."""
