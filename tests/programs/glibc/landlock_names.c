/* Landlock and names that move: each set of rights of the one directory with each of the other, for each way to move. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REMOVE_DIR = 0x10, REMOVE = 0x20, MAKE_DIR = 0x80, MAKE_REG = 0x100, REFER = 0x2000, WRITE = 2 };
static const struct { const char *from, *to; int how; } ways[] = {
	{"a/file", "b/new", 0}, {"a/file", "b/file", 0}, {"a/file", "b/file", 1}, {"a/file", "b/file", 2}, {"a/file", "b/dir", 2}, {"a/dir", "b/file", 2},
	{"a/file", "b/new", 3}, {"a/file", "b/file", 3}, {"a/dir", "b/new", 0}, {"a/dir", "b/dir", 0}, {"a/dir", "b/dir", 2}, {"a/file", "a/new", 0},
	{"a/file", "a/other", 0}, {"a/file", "a/dir", 2}, {"a/file", "a/other", 2}, {"a/file", "a/new", 3}, {"a/none", "b/new", 0}, {"a/file", "b/dir", 0},
};

static void touch(const char *path) { close(open(path, O_CREAT | O_WRONLY, 0644)); }

static void tree(void)
{
	static const char *const names[] = {"a/file", "a/other", "a/new", "a/dir", "b/file", "b/new", "b/dir"};
	for (int i = 0; i < 7; i++)
		if (unlink(names[i]))
			rmdir(names[i]);
	mkdir("a", 0755), mkdir("b", 0755), mkdir("a/dir", 0755), mkdir("b/dir", 0755);
	touch("a/file"), touch("a/other"), touch("b/file");
}

static void allow(int ruleset, const char *path, uint64_t rights)
{
	struct {
		uint64_t rights;
		int parent;
	} __attribute__((packed)) rule = {rights, open(path, O_PATH)};
	if (rights && syscall(445, ruleset, 1, &rule, 0))
		printf("no rule: %d ", errno);
	close(rule.parent);
}

/* What each way answers to who may do this in the two directories. */
static void row(uint64_t handled, uint64_t in_a, uint64_t in_b)
{
	printf("%llx %llx %llx:", handled, in_a, in_b);
	for (int i = 0; i < sizeof ways / sizeof *ways; i++) {
		int status;
		tree();
		fflush(stdout);
		if (!fork()) {
			uint64_t attr[3] = {handled};
			int ruleset = syscall(444, attr, 8, 0);
			allow(ruleset, "a", in_a), allow(ruleset, "b", in_b);
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			if (syscall(446, ruleset, 0))
				_exit(255);
			int r = ways[i].how == 3 ? link(ways[i].from, ways[i].to)
						 : syscall(SYS_renameat2, AT_FDCWD, ways[i].from, AT_FDCWD, ways[i].to, ways[i].how);
			_exit(r < 0 ? errno : 0);
		}
		wait(&status);
		printf(" %d", status >> 8);
	}
	puts("");
}

int main(void)
{
	static const uint64_t bits[] = {MAKE_REG, REMOVE, REFER, MAKE_DIR | REMOVE_DIR, WRITE};
	char dir[] = "/tmp/landlock.XXXXXX";
	if (!mkdtemp(dir) || chdir(dir))
		return 77;
	const uint64_t all = MAKE_REG | REMOVE | REFER | MAKE_DIR | REMOVE_DIR | WRITE;
	for (int missing_a = -1; missing_a < 5; missing_a++)
		for (int missing_b = -1; missing_b < 5; missing_b++)
			if (missing_a < 0 || missing_b < 0 || missing_a == missing_b)
				row(all, all & ~(missing_a < 0 ? 0 : bits[missing_a]), all & ~(missing_b < 0 ? 0 : bits[missing_b]));
	for (int i = 0; i < 5; i++)
		row(bits[i], 0, 0), row(bits[i], bits[i], 0), row(bits[i], 0, bits[i]);
	row(MAKE_DIR, 0, 0), row(REMOVE_DIR, 0, 0), row(all, all & ~MAKE_DIR, all), row(all, all & ~REMOVE_DIR, all), row(all, all, all & ~MAKE_DIR), row(all, all, all & ~REMOVE_DIR);
	tree();
	unlink("a/file"), unlink("a/other"), unlink("b/file"), rmdir("a/dir"), rmdir("b/dir"), rmdir("a"), rmdir("b");
	return rmdir(dir);
}
