/* What may be promised, and MREMAP_DONTUNMAP. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;
	int pieces = 0;
	for (int i = 0; i < 10; i++)
		pieces += mmap(0, 20 << 20, rw, anon, -1, 0) != MAP_FAILED;
	printf("untouched: %d\n", pieces);
	printf("noreserve: %d\n", mmap(0, 200 << 20, rw, anon | MAP_NORESERVE, -1, 0) != MAP_FAILED);
	printf("more than there are addresses: %d\n", mmap(0, 0xF0000000, rw, anon, -1, 0) != MAP_FAILED);
	char *old = mmap(0, 8192, rw, anon, -1, 0);
	strcpy(old, "moved");
	char *new = mremap(old, 8192, 8192, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	printf("moved: %d %s, old: %d\n", new != MAP_FAILED && new != old, new, old[0]);
	strcpy(old, "own");
	printf("%s %s\n", old, new);
	printf("other size: %d\n", mremap(old, 8192, 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP) == MAP_FAILED);
	printf("alone: %d %d\n", mremap(old, 8192, 8192, MREMAP_DONTUNMAP) == MAP_FAILED, errno);
	char *to = mmap(0, 8192, PROT_NONE, anon, -1, 0);
	printf("to a place: %d\n", mremap(new, 8192, 8192, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == to);
	printf("%s %d\n", to, new[0]);
	return 0;
}
