"""The static linker: i386 relocatable objects and archives to one program, laid out as GNU ld does."""

from .errors import LinkError
from .link import link
from .objects import InputObject, read_object

__all__ = ["InputObject", "LinkError", "link", "read_object"]
