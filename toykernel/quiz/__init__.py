"""Questions about a program, with answers that were computed: from all its orders, and from one run."""
