"""Memory management: frames, areas, page tables, faults."""
