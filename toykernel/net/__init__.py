"""Sockets, all of them local."""
