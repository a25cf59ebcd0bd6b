/* Locks of all three kinds, owners and seals, and copies between open files. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
static void nothing(int sig) {}
static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock f = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	return fcntl(fd, cmd, &f);
}
static void who(const char *what, int fd, int type, long start, long len, pid_t owner)
{
	struct flock f = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	int r = fcntl(fd, F_GETLK, &f);
	printf("%s: %d type %d start %ld len %ld owner %d\n", what, r, f.l_type,
	       f.l_type == F_UNLCK ? 0 : (long)f.l_start, f.l_type == F_UNLCK ? 0 : (long)f.l_len,
	       f.l_type != F_UNLCK && f.l_pid == owner);
}
static void nap(int ms) { usleep(ms * 1000); }

int main(void)
{
	char dir[] = "/tmp/locks.XXXXXX", b[8192];
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	setvbuf(stdout, 0, _IOLBF, 0);
	int fd = open("f", O_CREAT | O_RDWR, 0644), p[2];
	write(fd, "0123456789abcdefghij", 20);
	pid_t me = getpid();
	say("write lock", lock(fd, F_SETLK, F_WRLCK, 0, 10));
	say("read part", lock(fd, F_SETLK, F_RDLCK, 4, 2));
	say("unlock part", lock(fd, F_SETLK, F_UNLCK, 8, 1));
	if (fork() == 0) {
		who("from 0", fd, F_RDLCK, 0, 100, me);
		who("from 4", fd, F_RDLCK, 4, 2, me);
		who("from 4 to write", fd, F_WRLCK, 4, 2, me);
		who("from 8", fd, F_WRLCK, 8, 1, me);
		who("from 9", fd, F_WRLCK, 9, 0, me);
		say("in the way", lock(fd, F_SETLK, F_WRLCK, 0, 1));
		say("shared", lock(fd, F_SETLK, F_RDLCK, 4, 1));
		exit(0);
	}
	wait(0);
	who("own is no hindrance", fd, F_WRLCK, 0, 0, me);
	say("bad type", lock(fd, F_SETLK, 9, 0, 1));
	say("bad whence", fcntl(fd, F_SETLK, &(struct flock){.l_whence = 7}));
	say("before the start", lock(fd, F_SETLK, F_RDLCK, -5, 1));
	say("backwards", lock(fd, F_SETLK, F_RDLCK, 20, -5));
	say("fault", fcntl(fd, F_SETLK, (void *)1));
	int ro = open("f", O_RDONLY);
	say("write lock read only", lock(ro, F_SETLK, F_WRLCK, 0, 1));
	say("read lock", lock(ro, F_SETLK, F_RDLCK, 50, 1));
	close(ro); /* any close of the file lets go of all */
	if (fork() == 0) {
		who("after a close", fd, F_WRLCK, 0, 0, me);
		exit(0);
	}
	wait(0);
	lock(fd, F_SETLK, F_WRLCK, 0, 1);
	if (fork() == 0) {
		lock(fd, F_SETLK, F_WRLCK, 10, 1);
		nap(20);
		say("child waits", lock(fd, F_SETLKW, F_WRLCK, 0, 1));
		exit(0);
	}
	nap(60);
	say("deadlock", lock(fd, F_SETLKW, F_WRLCK, 10, 1));
	say("let go", lock(fd, F_SETLK, F_UNLCK, 0, 1));
	wait(0);
	say("free now", lock(fd, F_SETLK, F_WRLCK, 0, 1));
	struct sigaction sa = {.sa_handler = nothing};
	sigaction(SIGALRM, &sa, 0);
	if (fork() == 0) {
		setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, 0);
		say("interrupted", lock(fd, F_SETLKW, F_WRLCK, 0, 1));
		exit(0);
	}
	wait(0);

	/* of open files */
	int one = open("g", O_CREAT | O_RDWR, 0644), two = open("g", O_RDWR);
	say("ofd", lock(one, F_OFD_SETLK, F_WRLCK, 0, 5));
	say("ofd of another", lock(two, F_OFD_SETLK, F_RDLCK, 0, 5));
	who("posix sees", one, F_RDLCK, 0, 0, -1);
	struct flock f = {.l_type = F_RDLCK, .l_pid = 5};
	say("with a pid", fcntl(one, F_OFD_GETLK, &f));
	close(one);
	say("gone with it", lock(two, F_OFD_SETLK, F_WRLCK, 0, 5));
	one = open("g", O_RDWR);
	say("flock", flock(one, LOCK_EX));
	say("flock of another", flock(two, LOCK_SH | LOCK_NB));
	int dup_one = dup(one);
	say("down", flock(dup_one, LOCK_SH));
	say("both", flock(two, LOCK_SH | LOCK_NB));
	say("up", flock(one, LOCK_EX | LOCK_NB));
	say("bad", flock(one, 77));
	if (fork() == 0) {
		nap(20);
		flock(two, LOCK_UN);
		exit(0);
	}
	say("waits", flock(dup_one, LOCK_EX));
	wait(0);

	/* owners */
	say("setown", fcntl(fd, F_SETOWN, me));
	say("getown", fcntl(fd, F_GETOWN) == me);
	say("setown group", fcntl(fd, F_SETOWN, -getpgrp()));
	struct f_owner_ex ex;
	say("getown_ex", fcntl(fd, F_GETOWN_EX, &ex));
	printf("%d %d\n", ex.type, ex.pid == getpgrp());
	say("nobody", fcntl(fd, F_SETOWN, 1 << 29));
	say("setsig", fcntl(fd, F_SETSIG, SIGUSR1));
	say("getsig", fcntl(fd, F_GETSIG));
	say("setsig bad", fcntl(fd, F_SETSIG, 99));
	say("unknown", fcntl(fd, 999, 0));

	/* memfd */
	int m = memfd_create("mem", MFD_ALLOW_SEALING);
	say("memfd", m >= 0);
	sprintf(b, "/proc/self/fd/%d", m);
	char text[64];
	int n = readlink(b, text, 63);
	text[n < 0 ? 0 : n] = 0;
	printf("%s\n", text);
	write(m, "sealed", 6);
	say("seals", fcntl(m, F_GET_SEALS));
	say("add", fcntl(m, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
	say("shrink", ftruncate(m, 1));
	say("grow", ftruncate(m, 100));
	say("write more", write(m, "x", 1));
	say("write in it", pwrite(m, "S", 1, 0));
	char *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	say("while mapped", fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(at, 4096);
	say("write seal", fcntl(m, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
	say("sealed write", pwrite(m, "S", 1, 0));
	say("sealed map", mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) == MAP_FAILED ? -1 : 0);
	say("private map", mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, m, 0) != MAP_FAILED);
	say("no more", fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
	say("not sealable", fcntl(memfd_create("x", 0), F_ADD_SEALS, F_SEAL_GROW));
	say("file", fcntl(fd, F_GET_SEALS));
	say("flag", memfd_create("x", 0x100));

	/* copies */
	off_t off = 5;
	int out = open("out", O_CREAT | O_RDWR, 0644);
	lseek(fd, 0, SEEK_SET);
	say("sendfile", sendfile(out, fd, 0, 4));
	say("sendfile from", sendfile(out, fd, &off, 100));
	printf("%ld %ld\n", (long)off, (long)lseek(fd, 0, SEEK_CUR));
	say("content", pread(out, b, 100, 0));
	printf("%.19s\n", b);
	off = -1;
	say("negative", sendfile(out, fd, &off, 1));
	say("from a directory", sendfile(out, open(".", O_RDONLY), 0, 1));
	say("to read only", sendfile(open("f", O_RDONLY), fd, 0, 1));
	pipe(p);
	say("to a pipe", sendfile(p[1], out, (off = 0, &off), 7));
	say("came", read(p[0], b, 100));
	printf("%.7s\n", b);
	off64_t in64 = 2, out64 = 30;
	say("copy", syscall(377, fd, &in64, out, &out64, 6, 0));
	printf("%lld %lld\n", (long long)in64, (long long)out64);
	pread(out, b, 6, 30);
	printf("%.6s\n", b);
	in64 = 2, out64 = 4;
	say("copy onto itself", syscall(377, fd, &in64, fd, &out64, 6, 0));
	say("copy flag", syscall(377, fd, &in64, out, &out64, 6, 1));
	say("copy from a pipe", syscall(377, p[0], 0, out, 0, 6, 0));
	in64 = 100;
	say("copy beyond", syscall(377, fd, &in64, out, &out64, 6, 0));
	int q[2];
	pipe(q);
	loff_t at3 = 3;
	say("splice in", splice(fd, &at3, p[1], 0, 5, 0));
	say("tee", tee(p[0], q[1], 100, 0));
	say("tee came", read(q[0], b, 100));
	printf("%.5s %lld\n", b, (long long)at3);
	say("splice across", splice(p[0], 0, q[1], 0, 3, 0));
	lseek(out, 0, SEEK_SET);
	say("splice out", splice(q[0], 0, out, 0, 100, 0));
	pread(out, b, 3, 0);
	printf("%.3s %ld\n", b, (long)lseek(out, 0, SEEK_CUR));
	say("no pipe", splice(fd, 0, out, 0, 1, 0));
	say("pipe offset", splice(p[0], &at3, out, 0, 1, 0));
	say("itself", splice(p[0], 0, p[1], 0, 1, 0));
	say("empty", splice(q[0], 0, out, 0, 1, SPLICE_F_NONBLOCK));
	say("tee a file", tee(fd, q[1], 1, 0));
	return 0;
}
