"""Which pieces of Python are functions of Linux: the public ones in the kernel's packages."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType, MappingProxyType

#: Packages that are laid out as Linux's source.
KERNEL = tuple(
    f"toykernel.{name}" for name in ("arch", "fs", "ipc", "kernel", "mm", "boot", "security")
)
#: Methods that Linux has as functions.
_METHODS: Mapping[str, str] = MappingProxyType(
    {
        "PageAllocator.alloc_pages": "alloc_pages",
        "PageAllocator.get_zeroed_page": "get_zeroed_page",
        "PageAllocator.put_page": "put_page",
        "KmemCache.alloc": "kmem_cache_alloc",
        "KmemCache.free": "kmem_cache_free",
    }
)
#: Of this project alone: counting for reports.
_OWN = frozenset(("count_fault",))
_GENERATOR = 0x20  # inspect.CO_GENERATOR


def linux_name(code: CodeType, module: str) -> str | None:
    """What Linux calls a function of a module; None for what is this project's own."""
    if not module.startswith(KERNEL) or code.co_flags & _GENERATOR:
        return None
    name = code.co_qualname
    if "." in name:
        return _METHODS.get(name)
    return None if name.startswith(("_", "<")) or name in _OWN else name
