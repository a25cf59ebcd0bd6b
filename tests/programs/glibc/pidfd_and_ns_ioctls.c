/* What ioctl asks a pidfd and a file of a namespace (Linux 6.15). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
	uint32_t coredump_mask, spare;
};
#define GET_INFO _IOWR(0xff, 11, struct info)
#define BITS 11 /* PID, CREDS, EXIT */

/* The call's answer and, of one that failed, its errno. */
static void answer(const char *what, int result)
{
	printf("%s: %d %d\n", what, result, result < 0 ? errno : 0);
}

static void ask(const char *what, int pidfd, uint64_t mask, pid_t child)
{
	struct info i;
	memset(&i, 0, sizeof i);
	i.mask = mask;
	int r = ioctl(pidfd, GET_INFO, &i);
	int e = r < 0 ? errno : 0;
	printf("%s: %d %d", what, r, e);
	if (!r)
		printf(" mask %d pid %d tgid %d ppid %d uid %u %u %u %u gid %u exit %#x", (int)(i.mask & BITS),
		       i.pid == child, i.tgid == child, i.ppid == getpid(), i.ruid, i.euid, i.suid, i.fsuid, i.egid,
		       i.exit_code);
	puts("");
}

static void pidfds(void)
{
	for (int how = 0; how < 2; how++) {
		int go[2], ready[2];
		char c;
		pipe(go);
		pipe(ready);
		pid_t child = fork();
		if (!child) {
			setresuid(1, 2, 3);
			write(ready[1], "x", 1);
			close(go[1]);
			read(go[0], &c, 1);
			exit(100);
		}
		read(ready[0], &c, 1);
		close(ready[0]), close(ready[1]);
		int fd = syscall(SYS_pidfd_open, child, 0);
		ask("alive", fd, 0, child);
		if (how)
			kill(child, SIGKILL);
		close(go[1]);
		close(go[0]);
		siginfo_t si;
		waitid(P_PID, child, &si, WEXITED | WNOWAIT);
		ask("a zombie", fd, 8, child);
		waitpid(child, 0, 0);
		ask("reaped, without the bit", fd, 0, child);
		ask("reaped", fd, 8, child);
		answer("namespace of the reaped", ioctl(fd, _IO(0xff, 10), 0));
		close(fd);
	}
	int me = syscall(SYS_pidfd_open, getpid(), 0);
	struct stat a, b;
	const char *names[] = {"ipc", "mnt", "pid", "pid_for_children", "user", "uts"};
	int numbers[] = {2, 3, 5, 6, 9, 10};
	for (int i = 0; i < 6; i++) {
		char path[40];
		sprintf(path, "/proc/self/ns/%s", names[i]);
		int ns = ioctl(me, _IO(0xff, numbers[i]), 0);
		fstat(ns, &a);
		stat(path, &b);
		printf("%s: %d %d cloexec %d\n", names[i], ns >= 0, a.st_ino == b.st_ino, fcntl(ns, F_GETFD));
		close(ns);
	}
	answer("with an argument", ioctl(me, _IO(0xff, 2), 1));
	answer("no such request", ioctl(me, _IO(0xff, 99), 0));
	answer("no buffer", ioctl(me, GET_INFO, 0));
	answer("not a pidfd", ioctl(1, GET_INFO, 0));
}

static int number(int fd)
{
	struct stat s;
	return fstat(fd, &s) ? -1 : (int)s.st_ino;
}

static void child_of(int flags, const char *name)
{
	int go[2], ready[2];
	char c, path[60];
	pipe(go);
	pipe(ready);
	pid_t child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (!child) {
		close(go[1]);
		write(ready[1], "x", 1);
		read(go[0], &c, 1);
		_exit(0);
	}
	read(ready[0], &c, 1);
	sprintf(path, "/proc/%d/ns/%s", child, name);
	int theirs = open(path, O_RDONLY);
	int owner = ioctl(theirs, _IO(0xb7, 1), 0), parent = ioctl(theirs, _IO(0xb7, 2), 0);
	int my_user = open("/proc/self/ns/user", O_RDONLY), my_pid = open("/proc/self/ns/pid", O_RDONLY);
	printf("%s: type %#x, the owner is mine %d, the parent mine %d %d\n", name, ioctl(theirs, _IO(0xb7, 3), 0),
	       number(owner) == number(my_user), number(parent) == number(my_pid), number(parent) == number(my_user));
	if (flags & CLONE_NEWPID) {
		answer("its number there", ioctl(theirs, _IOR(0xb7, 8, int), child));
		answer("its number here", ioctl(theirs, _IOR(0xb7, 6, int), 1) == child);
		answer("none", ioctl(theirs, _IOR(0xb7, 7, int), 99));
		answer("not there", ioctl(theirs, _IOR(0xb7, 9, int), getpid()));
	}
	uid_t uid = 77;
	int r = ioctl(theirs, _IO(0xb7, 4), &uid);
	printf("owner's uid: %d %u\n", r, uid);
	close(theirs), close(owner), close(parent), close(my_user), close(my_pid);
	close(go[0]), close(go[1]), close(ready[0]), close(ready[1]);
	waitpid(child, 0, 0);
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	pidfds();
	const char *names[] = {"uts", "ipc", "mnt", "pid", "user"};
	for (int i = 0; i < 5; i++) {
		char path[40];
		sprintf(path, "/proc/self/ns/%s", names[i]);
		int fd = open(path, O_RDONLY), r = ioctl(fd, _IO(0xb7, 2), 0);
		printf("parent of my %s: %d %d\n", names[i], r >= 0, r < 0 ? errno : 0);
		answer("another request", ioctl(fd, _IO(0xb7, 77), 0));
		close(fd);
	}
	child_of(CLONE_NEWPID, "pid");
	child_of(CLONE_NEWUSER, "user");
	child_of(CLONE_NEWUTS, "uts");
	return 0;
}
