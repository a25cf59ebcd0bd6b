"""The machine in words: what comes next, what has happened, what a number means; docs/debugging.md.

Every sentence is made of what the machine holds: registers, page tables, counts, records.
"""
