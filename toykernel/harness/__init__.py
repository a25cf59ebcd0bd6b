"""What runs a program: the session, the run, its report, and what a test says of it."""
