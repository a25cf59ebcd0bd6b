"""The C preprocessor for `.S` sources: the installed one where there is one, else a small one of our own."""

from .choose import installed_cpp, preprocess, preprocessed, uses_preprocessor

__all__ = ["installed_cpp", "preprocess", "preprocessed", "uses_preprocessor"]
