/* How deep sets of epoll may be nested, built from either end; every flag of msync and answer of mincore. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

static int sets[9];

static int add(int to, int what)
{
	struct epoll_event e = {EPOLLIN};
	return epoll_ctl(sets[to], EPOLL_CTL_ADD, what < 0 ? -what : sets[what], &e) ? errno : 0;
}
static void fresh(void)
{
	for (int i = 0; i < 9; i++) {
		if (sets[i])
			close(sets[i]);
		sets[i] = epoll_create1(0);
	}
}
static void nests(void)
{
	fresh(), printf("from the top:");
	for (int i = 0; i < 8; i++)
		printf(" %d", add(i, i + 1));
	fresh(), printf("\nfrom below:");
	for (int i = 7; i >= 0; i--)
		printf(" %d", add(i, i + 1));
	for (int split = 1; split < 6; split++) {
		fresh(), printf("\ntwo parts:");
		for (int i = 0; i < 5; i++)
			if (i != split)
				printf(" %d", add(i, i + 1));
		printf(" joined %d", add(split, split + 1));
	}
	fresh(), printf("\ncircles: %d", add(0, 0));
	printf(" %d %d", add(0, 1), add(1, 0));
	printf(" %d %d", add(1, 2), add(2, 0));
	printf(" %d\n", add(0, 1));
	int p[2];
	fresh(), pipe(p);
	printf("a pipe: %d %d %d\n", add(0, -p[0]), add(0, -p[0]), add(1, 0));
	write(p[1], "x", 1);
	struct epoll_event e;
	printf("told: %d %d\n", epoll_wait(sets[1], &e, 1, 0), epoll_wait(sets[2], &e, 1, 0));
}

static void syncs(void)
{
	int fd = memfd_create("f", 0);
	ftruncate(fd, 3 * 4096);
	char *at = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int round = 0; round < 3; round++) {
		printf("msync:");
		for (int flags = 0; flags < 10; flags++)
			printf(" %d", msync(at, 3 * 4096, flags) ? errno : 0);
		printf(" %d %d %d\n", msync(at + 1, 4096, 4) ? errno : 0, msync(at, 0, 4) ? errno : 0,
		       msync(at, -4096, 4) ? errno : 0);
		if (round == 0)
			mlock(at + 4096, 4096);
		else
			munmap(at, 4096);
	}
	unsigned char seen[4];
	char *anonymous = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	anonymous[4096] = anonymous[3 * 4096] = 1;
	memset(seen, 9, 4), printf("mincore: %d", mincore(anonymous, 4 * 4096, seen));
	printf(" %d %d %d %d\n", seen[0] & 1, seen[1] & 1, seen[2] & 1, seen[3] & 1);
	memset(seen, 9, 4), printf("mincore: %d", mincore(anonymous, 4096 + 1, seen));
	printf(" %d %d %d\n", seen[0] & 1, seen[1] & 1, seen[2]);
	munmap(anonymous + 2 * 4096, 4096);
	printf("mincore: %d", mincore(anonymous, 4 * 4096, seen) ? errno : 0);
	printf(" %d", mincore(anonymous + 1, 4096, seen) ? errno : 0);
	printf(" %d %d\n", mincore(anonymous, 4096, (void *)1) ? errno : 0, mincore(anonymous, 0, seen) ? errno : 0);
}

int main(void)
{
	nests();
	syncs();
	return 0;
}
