/* The first stack: what execve gives it at once, which a limit of the address space does not take away. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void show(void)
{
	char line[256];
	unsigned long from, to;
	FILE *f = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, f))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			printf("%lx\n", to - from);
	fclose(f);
	fflush(stdout);
}

static int deep(int pages)
{
	volatile char page[4096];
	page[0] = page[4095] = pages;
	return pages ? deep(pages - 1) + page[0] : page[4095];
}

int main(int argc, char **argv)
{
	static const int LIMITS[] = {8 << 20, 256 << 10, 132 << 10, 100 << 10};
	char *none[] = {0}, turn[2] = {argc > 1 ? argv[1][0] + 1 : '0', 0}, *args[] = {argv[0], turn, 0};
	if (argc > 1)
		show();
	if (turn[0] < '4') {
		struct rlimit limit = {LIMITS[turn[0] - '0'], RLIM_INFINITY};
		setrlimit(RLIMIT_STACK, &limit);
		execve("/proc/self/exe", args, none);
	}
	struct rlimit small = {1 << 20, 1 << 20};
	setrlimit(RLIMIT_AS, &small);
	printf("%d\n", deep(16));
	return 0;
}
