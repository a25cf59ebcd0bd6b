/* Calls of files that a C library of today does not make, by number: the old, the narrow and the wide. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	fflush(stdout);
	return r;
}
static void show(const char *path)
{
	struct stat st;
	if (lstat(path, &st))
		printf("  %s: %d\n", path, errno);
	else
		printf("  %s: %o %d:%d %lld, %d links, %x\n", path, st.st_mode, st.st_uid, st.st_gid,
		       S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size, (int)st.st_nlink, (int)st.st_rdev);
}
static void times_of(const char *path)
{
	struct stat st;
	lstat(path, &st);
	printf("  %ld.%09ld %ld.%09ld\n", st.st_atime, st.st_atim.tv_nsec, st.st_mtime, st.st_mtim.tv_nsec);
}
struct wide { int64_t sec, nsec; };

static void names(int dir)
{
	say("faccessat", syscall(SYS_faccessat, dir, "f", R_OK));
	say("faccessat, x", syscall(SYS_faccessat, dir, "f", X_OK));
	say("faccessat, mode", syscall(SYS_faccessat, dir, "f", 8));
	say("fchmodat2", syscall(452, dir, "f", 0640, 0));
	say("fchmodat2, empty", syscall(452, open("f", O_RDONLY), "", 0604, AT_EMPTY_PATH));
	say("fchmodat2, flag", syscall(452, dir, "f", 0600, 4));
	show("f");
	say("lchown16", syscall(16, "l", 11, 0xffff));
	say("fchown16", syscall(95, open("f", O_RDONLY), 0xffff, 12));
	say("chown16", syscall(182, "f", 13, 14));
	show("l"), show("f");
	say("mkdirat", syscall(SYS_mkdirat, dir, "d", 01777));
	say("mkdirat again", syscall(SYS_mkdirat, dir, "d", 0));
	say("mkdirat, file", syscall(SYS_mkdirat, open("f", O_RDONLY), "x", 0));
	say("mkdirat, none", syscall(SYS_mkdirat, 99, "x", 0));
	say("mknod fifo", syscall(SYS_mknod, "p", S_IFIFO | 0622, 0));
	say("mknod file", syscall(SYS_mknod, "n", 0666, 0));
	say("mknod device", syscall(SYS_mknod, "c", S_IFCHR | 0666, 0x103));
	say("mknod directory", syscall(SYS_mknod, "x", S_IFDIR | 0666, 0));
	say("symlinkat", syscall(SYS_symlinkat, "f", dir, "s"));
	say("symlinkat again", syscall(SYS_symlinkat, "g", dir, "s"));
	say("symlinkat, empty", syscall(SYS_symlinkat, "", dir, "s2"));
	show("d"), show("p"), show("n"), show("c"), show("s");
	say("truncate64", syscall(SYS_truncate64, "f", 70000, 0));
	say("truncate64, -1", syscall(SYS_truncate64, "f", -1, -1));
	say("truncate64, directory", syscall(SYS_truncate64, "d", 0, 0));
	show("f");
}

static void dates(void)
{
	struct timeval tv[2] = {{1000, 5}, {2000, 999999}}, bad[2] = {{1, 1000000}, {2, -1}};
	struct wide w[2] = {{3000, 7}, {5000, 9}}, odd[2] = {{1, 1000000000}, {1, 0}};
	struct wide omit[2] = {{0, UTIME_OMIT}, {77, 0}};
	long utim[2] = {111, 222};
	say("utimes", syscall(SYS_utimes, "f", tv)), times_of("f");
	say("utimes, bad", syscall(SYS_utimes, "f", bad));
	say("futimesat", syscall(SYS_futimesat, AT_FDCWD, "f", tv + 0)), times_of("f");
	say("futimesat, descriptor", syscall(SYS_futimesat, open("f", O_RDONLY), 0, tv));
	say("utime", syscall(SYS_utime, "f", utim)), times_of("f");
	say("utime, none", syscall(SYS_utime, "none", utim));
	say("utime, fault", syscall(SYS_utime, "f", 1));
	say("utimensat_time64", syscall(412, AT_FDCWD, "f", w, 0)), times_of("f");
	say("utimensat_time64, bad", syscall(412, AT_FDCWD, "f", odd, 0));
	say("utimensat_time64, omit", syscall(412, AT_FDCWD, "f", omit, 0)), times_of("f");
	say("utimensat_time64, link", syscall(412, AT_FDCWD, "l", omit, AT_SYMLINK_NOFOLLOW));
	say("utimensat_time64, flag", syscall(412, AT_FDCWD, "f", w, 1));
}

static void sizes(int file)
{
	uint32_t st[40];
	for (int n = 0; n < 2; n++) {
		memset(st, 0x55, sizeof st);
		say("statfs", n ? syscall(SYS_fstatfs, file, st) : syscall(SYS_statfs, "f", st));
		printf("  %x %d, name %d, fragment %d\n", st[0], st[1], st[9], st[10]);
	}
	say("statfs, none", syscall(SYS_statfs, "none", st));
	say("fstatfs, none", syscall(SYS_fstatfs, 99, st));
	say("statfs, fault", syscall(SYS_statfs, "f", 1));
	memset(st, 0x55, sizeof st);
	say("fstatfs64", syscall(SYS_fstatfs64, file, 84, st));
	printf("  %x %d, name %d, fragment %d\n", st[0], st[1], st[14], st[15]);
	say("fstatfs64, size", syscall(SYS_fstatfs64, file, 83, st));
	say("statfs64, size", syscall(SYS_statfs64, "f", 88, st));
	say("syncfs", syscall(SYS_syncfs, file));
	say("syncfs, none", syscall(SYS_syncfs, 99));
	say("sync_file_range", syscall(SYS_sync_file_range, file, 0, 0, 4096, 0, 7));
	say("sync_file_range, flag", syscall(SYS_sync_file_range, file, 0, 0, 4096, 0, 8));
	say("sync_file_range, before", syscall(SYS_sync_file_range, file, -1, -1, 4096, 0, 0));
	say("sync_file_range, none", syscall(SYS_sync_file_range, 99, 0, 0, 1, 0, 0));
	for (int advice = 0; advice < 8; advice++)
		say("fadvise64_64", syscall(SYS_fadvise64_64, file, 0, 0, 10, 0, advice));
	say("fadvise64_64, none", syscall(SYS_fadvise64_64, 99, 0, 0, 10, 0, 0));
	say("fadvise64", syscall(SYS_fadvise64, file, 0, 0, 10, 1));
	say("readahead", syscall(SYS_readahead, file, 0, 0, 4096));
	say("readahead, none", syscall(SYS_readahead, 99, 0, 0, 4096));
	say("readahead, to write", syscall(SYS_readahead, open("f", O_WRONLY), 0, 0, 4096));
}

static void waits(void)
{
	int p[2];
	pipe(p);
	struct pollfd pf = {p[0], POLLIN, 0};
	struct wide none = {0, 0}, bad = {0, 1000000000}, some = {0, 1000000};
	fd_set r, w;
	say("ppoll_time64", syscall(414, &pf, 1, &none, 0, 8));
	say("ppoll_time64, bad", syscall(414, &pf, 1, &bad, 0, 8));
	say("ppoll_time64, wait", syscall(414, &pf, 1, &some, 0, 8));
	write(p[1], "x", 1);
	say("ppoll_time64, ready", syscall(414, &pf, 1, 0, 0, 8)), printf("  %x\n", pf.revents);
	FD_ZERO(&r); FD_SET(p[0], &r);
	FD_ZERO(&w); FD_SET(p[1], &w); FD_SET(p[0], &w);
	say("pselect6_time64", syscall(413, p[1] + 1, &r, &w, 0, &some, 0));
	printf("  %d %d %d\n", !!FD_ISSET(p[0], &r), !!FD_ISSET(p[0], &w), !!FD_ISSET(p[1], &w));
	say("pselect6_time64, bad", syscall(413, p[1] + 1, &r, 0, 0, &bad, 0));
	struct { unsigned long size; const void *sigmask; } mask = {4, 0};
	long six[] = {0, 4};
	uint64_t set = 0;
	six[0] = (long)&set;
	say("pselect6_time64, size", syscall(413, p[1] + 1, &r, 0, 0, &none, six));
	struct timeval tv = {0, 0};
	FD_ZERO(&r); FD_SET(p[0], &r);
	long old[] = {p[1] + 1, (long)&r, 0, 0, (long)&tv};
	say("select by a block", syscall(82, old));
	printf("  %d\n", !!FD_ISSET(p[0], &r));
	say("select by a block, fault", syscall(82, 1));
	int e = syscall(SYS_eventfd, 3);
	uint64_t count = 0;
	say("eventfd", e > 2);
	say("read", read(e, &count, 8)), printf("  %d\n", (int)count);
	int t = syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0x800);
	struct { struct wide interval, value; } set64 = {{0, 5}, {1000, 6}}, got;
	say("timerfd_settime64", syscall(411, t, 0, &set64, 0));
	say("timerfd_gettime64", syscall(410, t, &got));
	printf("  %d %d, %d\n", (int)got.interval.sec, (int)got.interval.nsec, got.value.sec == 999 || got.value.sec == 1000);
	set64.value.nsec = 1000000000;
	say("timerfd_settime64, bad", syscall(411, t, 0, &set64, 0));
	say("timerfd_settime64, flag", syscall(411, t, 4, &set64, 0));
	say("timerfd_gettime64, none", syscall(410, 99, &got));
	say("timerfd_gettime64, file", syscall(410, p[0], &got));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}
static void entries(int dir)
{
	char b[1000], *found[30];
	int count = 0;
	say("getdents, small", syscall(SYS_getdents, dir, b, 10));
	for (int n; (n = syscall(SYS_getdents, dir, b, sizeof b)) > 0;)
		for (int at = 0; at < n;) {
			uint16_t size = *(uint16_t *)(b + at + 8);
			char line[100];
			snprintf(line, sizeof line, "%s type %d, %d", b + at + 10, b[at + size - 1], size);
			found[count++] = strdup(line);
			at += size;
		}
	qsort(found, count, sizeof *found, by_name);
	for (int n = 0; n < count; n++)
		printf("  %s\n", found[n]);
	say("getdents, end", syscall(SYS_getdents, dir, b, sizeof b));
	say("getdents, file", syscall(SYS_getdents, open("f", O_RDONLY), b, sizeof b));
	say("getdents, none", syscall(SYS_getdents, 99, b, sizeof b));
}

int main(void)
{
	char path[] = "/dev/shm/rare.XXXXXX";
	umask(022);
	if (!mkdtemp(path) || chdir(path))
		return 1;
	int dir = open(".", O_RDONLY | O_DIRECTORY), file = open("f", O_CREAT | O_RDWR, 0644);
	write(file, "some text", 9), symlink("f", "l");
	names(dir);
	dates();
	sizes(file);
	waits();
	entries(dir);
	say("oldumount", syscall(22, "d"));
	say("rename into itself", syscall(SYS_rename, "d", "d/e"));
	const char *all[] = {"f", "l", "p", "n", "c", "s"};
	for (int n = 0; n < 6; n++)
		unlink(all[n]);
	rmdir("d");
	say("rmdir", rmdir(path));
	return 0;
}
