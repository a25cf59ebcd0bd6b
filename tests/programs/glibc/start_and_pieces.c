/* What glibc's start needs, and transfers in pieces or at an offset. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int first_errno;
__attribute__((constructor)) static void start(void) { first_errno = errno; }
static void say(const char *what, long r) { printf("%s: %ld %d\n", what, r, r < 0 ? errno : 0); }

struct ts64 { long long sec, nsec; };

int main(void)
{
	char b[64], c[64];
	printf("errno at start %d\n", first_errno);
	printf("own group %d, own session %d\n", getpgrp() == getpid(), getsid(0) == getpid());
	say("getrandom", getrandom(b, 16, 0));
	say("getrandom flag", getrandom(b, 16, 8));
	say("getrandom both", getrandom(b, 16, 6));
	say("getrandom fault", getrandom((void *)1, 16, 0));
	struct ts64 t, r = {7, 7};
	say("clock_gettime64", syscall(403, CLOCK_MONOTONIC, &t));
	say("clock_gettime64 99", syscall(403, 99, &t));
	say("clock_getres_time64", syscall(406, CLOCK_MONOTONIC, &r));
	printf("%lld %lld\n", r.sec, r.nsec);
	struct ts64 nap = {0, 1000000}, bad = {0, 1000000000}, low = {0, 0x100000000LL | 1000};
	say("nanosleep64", syscall(407, CLOCK_MONOTONIC, 0, &nap, &r));
	say("nanosleep64 bad", syscall(407, CLOCK_MONOTONIC, 0, &bad, &r));
	say("nanosleep64 padding", syscall(407, CLOCK_MONOTONIC, 0, &low, &r));
	sigset_t none;
	sigemptyset(&none);
	say("sigtimedwait64", syscall(421, &none, 0, &nap, 8));
	say("rr interval", syscall(423, 0, &r));
	say("rr interval of none", syscall(423, 1 << 29, &r));
	timer_t id;
	struct sigevent e = {.sigev_notify = SIGEV_NONE};
	timer_create(CLOCK_MONOTONIC, &e, &id);
	struct ts64 set[2] = {{0, 0}, {100, 0}}, got[2];
	say("timer_settime64", syscall(409, id, 0, set, got));
	say("timer_gettime64", syscall(408, id, got));
	printf("%lld %lld\n", got[0].sec, got[1].sec);
	struct { unsigned long long a[11]; } args = {{0}};
	args.a[4] = SIGCHLD;
	long pid = syscall(435, &args, sizeof args);
	if (!pid)
		_exit(3);
	int status;
	printf("clone3 %d", pid > 0);
	printf(" %d", waitpid(pid, &status, 0) == pid);
	printf(" %d\n", WEXITSTATUS(status));
	say("clone3 short", syscall(435, &args, 63));
	say("clone3 long", syscall(435, &args, 8192));
	args.a[4] = 65;
	say("clone3 signal", syscall(435, &args, 88));
	args.a[4] = 0;
	args.a[5] = 4096;
	say("clone3 stack", syscall(435, &args, 88));
	args.a[5] = 0;
	args.a[0] = 17;
	say("clone3 csignal", syscall(435, &args, 88));
	args.a[0] = 0x100000800ULL;
	say("clone3 both handlers", syscall(435, &args, 88));
	void *head;
	unsigned size;
	say("get_robust_list", syscall(SYS_get_robust_list, 0, &head, &size));
	printf("%u %d\n", size, head != 0);
	say("get_robust_list of none", syscall(SYS_get_robust_list, 1 << 29, &head, &size));
	say("rseq flags", syscall(386, 0, 32, 4, 0));
	say("rseq again", syscall(386, 64, 32, 0, 0));
	say("rseq away", syscall(386, 64, 32, 1, 0));
	struct rlimit64 { unsigned long long cur, max; } lim;
	say("prlimit64", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &lim));
	say("prlimit64 of none", syscall(SYS_prlimit64, 1 << 29, RLIMIT_NOFILE, 0, &lim));

	char dir[] = "/tmp/pieces.XXXXXX";
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	struct iovec out[] = {{"one ", 4}, {0, 0}, {"two ", 4}, {"three", 5}};
	say("writev", writev(fd, out, 4));
	say("pwrite", pwrite(fd, "TWO", 3, 4));
	say("pread", pread(fd, b, 20, 2));
	printf("%.11s, at %ld\n", b, (long)lseek(fd, 0, SEEK_CUR));
	lseek(fd, 0, SEEK_SET);
	struct iovec in[] = {{b, 3}, {c, 30}};
	say("readv", readv(fd, in, 2));
	printf("%.3s|%.10s\n", b, c);
	say("readv at the end", readv(fd, in, 2));
	say("readv none", readv(fd, in, 0));
	say("readv many", readv(fd, in, 1025));
	say("readv fault", readv(fd, (void *)1, 2));
	struct iovec neg[] = {{b, 3}, {c, (size_t)-1}};
	say("readv negative", readv(fd, neg, 2));
	struct iovec half[] = {{"ab", 2}, {(void *)8, 2}};
	say("writev half", writev(fd, half, 2));
	say("preadv", preadv(fd, in, 2, 4));
	say("preadv2 -1", preadv2(fd, in, 2, -1, 0));
	say("preadv2 flag", preadv2(fd, in, 2, 0, 0x1000));
	say("preadv2 append", preadv2(fd, in, 2, 0, RWF_APPEND));
	say("preadv negative", preadv(fd, in, 2, -1));
	say("pwritev", pwritev(fd, out, 4, 1));
	say("pwritev2 append", pwritev2(fd, out, 1, 0, RWF_APPEND));
	struct stat s;
	fstat(fd, &s);
	printf("size %ld\n", (long)s.st_size);
	int p[2];
	pipe(p);
	say("pread pipe", pread(p[0], b, 1, 0));
	say("writev pipe", writev(p[1], out, 4));
	say("readv pipe", readv(p[0], in, 2));
	printf("%.3s|%.10s\n", b, c);
	say("readv wrong end", readv(p[1], in, 2));
	if (fork() == 0) {
		nanosleep(&(struct timespec){0, 5000000}, 0);
		writev(p[1], out, 1);
		_exit(0);
	}
	say("readv waits", readv(p[0], in, 2));
	wait(0);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	if (fork() == 0) {
		char big[3000];
		for (int left = 9000; left > 0;) {
			nanosleep(&(struct timespec){0, 5000000}, 0);
			left -= read(p[0], big, sizeof big);
		}
		_exit(0);
	}
	static char page[4500];
	struct iovec large[] = {{page, 4500}, {page, 4500}};
	say("writev waits", writev(p[1], large, 2));
	wait(0);
	symlink("somewhere", "l");
	say("readlink", readlink("l", b, 4));
	printf("%.4s\n", b);
	say("readlink file", readlink("f", b, 4));
	say("readlink 0", syscall(SYS_readlink, "l", b, 0));
	say("readlink missing", readlink("nothing", b, 4));
	struct statx x;
	say("statx", statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	printf("%x %o %llu %u\n", x.stx_mask & STATX_SIZE, x.stx_mode, x.stx_size, x.stx_nlink);
	say("statx link", statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
	printf("%o %llu\n", x.stx_mode, x.stx_size);
	say("statx dangling", statx(AT_FDCWD, "l", 0, STATX_BASIC_STATS, &x));
	say("statx flag", statx(AT_FDCWD, "f", 1, STATX_BASIC_STATS, &x));
	say("statx sync", statx(AT_FDCWD, "f", 0x6000, STATX_BASIC_STATS, &x));
	say("statx empty", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
	say("statx no flag", statx(fd, "", 0, STATX_BASIC_STATS, &x));
	say("statx not a directory", statx(fd, "x", 0, STATX_BASIC_STATS, &x));
	say("fstatat", fstatat(AT_FDCWD, "f", &s, 0));
	say("fstatat flag", fstatat(AT_FDCWD, "f", &s, 1));
	return 0;
}
