"""The C preprocessor for `.S` sources: the installed one where there is one, else a small one of our own."""

from .choose import preprocess, uses_preprocessor

__all__ = ["preprocess", "uses_preprocessor"]
