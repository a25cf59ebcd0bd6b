"""Looking at a kernel, read-only: tasks, address spaces, memory, page tables, symbols, frames."""
