/* What mlock counts: pages that are locked already are not counted again. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void say(const char *what, int r)
{
	printf("%s: %d\n", what, r ? -errno : 0);
}

int main(void)
{
	struct rlimit eight = {8 * 4096, 8 * 4096};
	char *at = mmap(0, 32 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("limit", setrlimit(RLIMIT_MEMLOCK, &eight));
	say("nobody", setresuid(1000, 1000, 1000));
	for (int from = 0; from < 12; from += 3)
		for (int pages = 1; pages < 10; pages += 2) {
			printf("%d pages from %d ", pages, from);
			say("mlock", mlock(at + from * 4096 + 5, pages * 4096 - 5));
		}
	say("all of it", mlock(at, 8 * 4096));
	say("one more", mlock(at, 9 * 4096));
	say("two of it", munlock(at + 2 * 4096, 2 * 4096));
	say("on fault", mlock2(at + 4096, 9 * 4096, MLOCK_ONFAULT));
	say("on fault", mlock2(at + 4096, 8 * 4096, MLOCK_ONFAULT));
	say("elsewhere", mlock(at + 20 * 4096, 4096));
	return 0;
}
