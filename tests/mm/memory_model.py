"""What a process's memory is, without frames or page tables: bytes by page, and rights.

Two words are looked at on each page, so that a store to one says something of the other. Private pages
have values of their own, shared ones belong to an object. fork copies the first and keeps the second.
"""

from dataclasses import dataclass, field, replace

PAGE = 4096
BASE = 0x40000000
PAGES = 24
READ, WRITE = 1, 2


@dataclass
class Page:
    """One mapped page: rights, what its words read as, and for shared memory the object and place."""

    prot: int
    values: tuple[int, ...] = (0, 0)
    shared: tuple[int, int] | None = None
    dontfork: bool = False


@dataclass
class Memory:
    """The window of PAGES pages from BASE, by index; `objects` is the shared memory of everybody."""

    objects: dict[tuple[int, int], tuple[int, ...]]
    pages: dict[int, Page] = field(default_factory=dict)

    def map(self, first: int, count: int, prot: int, shared: int | None) -> None:
        for n in range(count):
            place = None if shared is None else (shared, n)
            self.pages[first + n] = Page(prot, (0, 0), place)

    def unmap(self, first: int, count: int) -> None:
        for index in range(first, first + count):
            self.pages.pop(index, None)

    def covered(self, first: int, count: int) -> bool:
        return all(index in self.pages for index in range(first, first + count))

    def protect(self, first: int, count: int, prot: int) -> bool:
        """Pages before a hole are changed all the same; False when there was one."""
        for index in range(first, first + count):
            if index not in self.pages:
                return False
            self.pages[index].prot = prot
        return True

    def dontneed(self, first: int, count: int) -> bool:
        for index in range(first, first + count):
            if index in self.pages:
                self.pages[index].values = (0, 0)
        return self.covered(first, count)

    def advise_fork(self, first: int, count: int, dontfork: bool) -> bool:
        for index in range(first, first + count):
            if index in self.pages:
                self.pages[index].dontfork = dontfork
        return self.covered(first, count)

    def can(self, index: int, right: int) -> bool:
        """On i386 whatever can be written can be read."""
        page = self.pages.get(index)
        return page is not None and bool(page.prot & (right | WRITE))

    def words(self, index: int) -> tuple[int, ...]:
        page = self.pages[index]
        return page.values if page.shared is None else self.objects.get(page.shared, (0, 0))

    def read(self, index: int, word: int = 0) -> int:
        return self.words(index)[word]

    def write(self, index: int, value: int, word: int = 0) -> None:
        page = self.pages[index]
        words = self.words(index)
        words = (*words[:word], value, *words[word + 1 :])
        if page.shared is None:
            page.values = words
        else:
            self.objects[page.shared] = words

    def fork(self) -> "Memory":
        kept = {i: replace(p) for i, p in self.pages.items() if not p.dontfork}
        return Memory(self.objects, kept)
