"""A Linux-shaped toy kernel, written in Python and living in the RAM of an emulated i386."""
