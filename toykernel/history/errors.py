"""What history refuses."""


class HistoryError(Exception):
    """A moment that cannot be kept, read or gone back to; the text says why, in one line."""
