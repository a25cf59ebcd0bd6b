"""Invariants that hold after every trap, and failure injection."""
