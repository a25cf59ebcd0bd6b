"""System V inter-process communication: semaphores."""
