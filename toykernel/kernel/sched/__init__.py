"""The scheduler: a core and one file a class."""
