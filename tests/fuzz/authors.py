"""Everybody who writes cases, by name."""

from case import Author
from cpu import Cpu
from inputs import Inputs
from processes import Processes

AUTHORS: dict[str, Author] = {author.name: author for author in (Cpu(), Processes(), Inputs())}
