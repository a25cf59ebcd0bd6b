/* What single calls answer at their edges: links that are not followed, limits of IPC, what cannot be parted, words
 * that are waited for, room for descriptors, a terminal's old settings. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	fflush(stdout);
	return r;
}

static void links(void)
{
	struct stat64 st;
	struct statx sx;
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY);
	char name[64];
	sprintf(name, "/tmp/link-%d", getpid());
	say("symlink", symlink("/tmp", name));
	say("followed", syscall(SYS_fstatat64, dir, name, &st, 0));
	printf("%o\n", st.st_mode & S_IFMT);
	say("itself", syscall(SYS_fstatat64, dir, name, &st, AT_SYMLINK_NOFOLLOW));
	printf("%o %lld\n", st.st_mode & S_IFMT, (long long)st.st_size);
	say("statx, followed", statx(dir, name, 0, STATX_BASIC_STATS, &sx));
	printf("%o\n", sx.stx_mode & S_IFMT);
	say("statx, itself", statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx));
	printf("%o\n", sx.stx_mode & S_IFMT);
	say("flag", syscall(SYS_fstatat64, dir, name, &st, 0x10));
	say("unlink", unlink(name));
}

static void directories(void)
{
	char entries[512], name[64];
	sprintf(name, "/tmp/file-%d", getpid());
	int fd = open(name, O_RDWR | O_CREAT, 0600);
	say("getdents of a file", syscall(SYS_getdents64, fd, entries, sizeof entries));
	say("getdents, old", syscall(SYS_getdents, fd, entries, sizeof entries));
	close(fd);
	fd = open(name, O_WRONLY);
	say("getdents of what cannot be read", syscall(SYS_getdents64, fd, entries, sizeof entries));
	say("close", close(fd));
	fd = open(name, O_RDONLY);
	say("unlink", unlink(name));
	say("getdents of a file that is gone", syscall(SYS_getdents64, fd, entries, sizeof entries));
	close(fd);
}

static void limits(void)
{
	struct msginfo msg;
	struct seminfo sem;
	msgctl(0, IPC_INFO, (struct msqid_ds *)&msg);
	printf("%d %d %d %d\n", msg.msgpool, msg.msgmap, msg.msgssz, msg.msgtql);
	semctl(0, 0, IPC_INFO, &sem);
	printf("%d %d %d\n", sem.semusz, sem.semvmx, sem.semaem);
}

static void *unshares(void *unused)
{
	say("a thread from its group", unshare(CLONE_THREAD));
	say("its handlers", unshare(CLONE_SIGHAND));
	say("its memory", unshare(CLONE_VM));
	say("its files", unshare(CLONE_FILES));
	say("its directory", unshare(CLONE_FS));
	return unused;
}

static void parts(void)
{
	pthread_t thread;
	say("nothing", unshare(0));
	say("no thread", unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM));
	say("a flag of clone", unshare(CLONE_PARENT));
	say("a signal", unshare(SIGCHLD));
	pthread_create(&thread, 0, unshares, 0);
	pthread_join(thread, 0);
}

static void words(void)
{
	struct { uint64_t val, uaddr; uint32_t flags, reserved; } waiters[2];
	uint32_t word = 1;
	memset(waiters, 0, sizeof waiters);
	waiters[0].uaddr = waiters[1].uaddr = (uintptr_t)&word;
	waiters[0].flags = waiters[1].flags = 2;
	waiters[0].val = 1;
	say("none", syscall(449, waiters, 0, 0, 0, 0));
	say("too many", syscall(449, waiters, 129, 0, 0, 0));
	say("a flag", syscall(449, waiters, 1, 1, 0, 0));
	say("nowhere", syscall(449, 0, 1, 0, 0, 0));
	say("other than expected", syscall(449, waiters, 2, 0, 0, 0));
	struct { int64_t sec, nsec; } soon = {0, 1};
	say("a clock", syscall(449, waiters, 1, 0, &soon, 5));
	say("in the past", syscall(449, waiters, 1, 0, &soon, CLOCK_MONOTONIC));
}

static void room(void)
{
	for (int fd = 300; fd <= 600; fd *= 2) {
		char line[256];
		dup2(1, fd);
		FILE *status = fopen("/proc/self/status", "r");
		while (fgets(line, sizeof line, status))
			if (!strncmp(line, "FDSize", 6))
				printf("%s", line);
		fclose(status);
		close(fd);
	}
}

static void terminal(void)
{
	struct { unsigned short i, o, c, l; unsigned char line, cc[8]; } old;
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), zero = 0;
	say("unlock", ioctl(fd, TIOCSPTLCK, &zero));
	int slave = open(ptsname(fd), O_RDWR | O_NOCTTY);
	say("TCGETA", ioctl(slave, TCGETA, &old));
	printf("%x %x %x %x %d", old.i, old.o, old.c, old.l, old.line);
	for (int i = 0; i < 8; i++)
		printf(" %x", old.cc[i]);
	puts("");
}

static void cores(void)
{
	static const int kills[] = {SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGPIPE, SIGKILL};
	for (int i = 0; i < 6; i++) {
		int status, child = fork();
		if (!child) {
			signal(kills[i], SIG_DFL);
			raise(kills[i]);
			_exit(1);
		}
		waitpid(child, &status, 0);
		printf("%d: %d\n", kills[i], WTERMSIG(status));
	}
}

int main(void)
{
	setvbuf(stdout, 0, _IONBF, 0);
	links();
	directories();
	limits();
	parts();
	words();
	room();
	terminal();
	cores();
}
