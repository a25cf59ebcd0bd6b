"""A run as data, moment by moment, and as a page and a picture that a person can look at."""
