/* Networks of one's own: abstract names are seen in one only, paths everywhere; their files, setns, who may. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL(...) tell(#__VA_ARGS__, (long)(__VA_ARGS__))
static struct sockaddr_un named = {AF_UNIX, "\0a name of toykernel's test"}, path = {AF_UNIX, "toykernel-network"};

static long tell(const char *what, long r)
{
	int e = errno;
	printf("  %s: ", what);
	r == -1 ? printf("fails %d\n", e) : printf("%ld\n", r);
	fflush(stdout);
	return r;
}

static int bound(int type, struct sockaddr_un *to)
{
	int s = socket(AF_UNIX, type, 0);
	if (bind(s, (void *)to, sizeof *to))
		return -1;
	if (type != SOCK_DGRAM)
		listen(s, 5);
	return s;
}

static long reach(int s, int type, struct sockaddr_un *to)
{
	long r = connect(s, (void *)to, sizeof *to);
	return r;
}

static int same(int a, int b)
{
	struct stat one, two;
	fstat(a, &one);
	fstat(b, &two);
	return one.st_ino == two.st_ino;
}

int main(void)
{
	int hold[2], back[2], status, home = open("/proc/self/ns/net", O_RDONLY);
	char link[100] = "", c;
	chdir("/tmp");
	unlink(path.sun_path);
	readlink("/proc/self/ns/net", link, 99);
	printf("%.5s\n", link);
	for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
		if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
			continue;
		printf("type %d\n", type);
		int s = bound(type, &named), p = bound(type, &path), before = socket(AF_UNIX, type, 0);
		CALL(unshare(CLONE_NEWNET));
		CALL(reach(socket(AF_UNIX, type, 0), type, &named));
		CALL(reach(before, type, &named));
		CALL(reach(socket(AF_UNIX, type, 0), type, &path));
		int t = CALL(bound(type, &named) >= 0);
		CALL(bound(type, &named));
		CALL(setns(home, CLONE_NEWNET));
		CALL(bound(type, &named));
		close(s);
		CALL(reach(socket(AF_UNIX, type, 0), type, &named));
		unlink(path.sun_path);
	}
	puts("accepted by nobody");
	for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_STREAM) {
		char got;
		int s = bound(type, &named), to = socket(AF_UNIX, type, 0);
		CALL(reach(to, type, &named));
		close(s);
		CALL(read(to, &got, 1));
		CALL(read(to, &got, 1));
		CALL(send(to, &got, 1, MSG_NOSIGNAL));
	}
	puts("files");
	pipe(hold);
	pipe(back);
	int pid = syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		int here = open("/proc/self/ns/net", O_RDONLY);
		CALL(same(home, here));
		CALL(ioctl(here, 0xb703));
		CALL(bound(SOCK_STREAM, &named) >= 0);
		write(back[1], "+", 1);
		read(hold[0], &c, 1);
		_exit(0);
	}
	read(back[0], &c, 1);
	char name[40];
	sprintf(name, "/proc/%d/ns/net", pid);
	int there = open(name, O_RDONLY);
	CALL(same(home, there));
	CALL(reach(socket(AF_UNIX, SOCK_STREAM, 0), SOCK_STREAM, &named));
	CALL(setns(there, CLONE_NEWUTS));
	CALL(setns(there, 0));
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL(setns(home, CLONE_NEWNET));
	CALL(reach(s, SOCK_STREAM, &named));
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	CALL(setns(pidfd, CLONE_NEWNET));
	CALL(same(open("/proc/self/ns/net", O_RDONLY), there));
	write(hold[1], "+", 1);
	waitpid(pid, &status, 0);
	CALL(setns(home, 0));
	CALL(setns(there, CLONE_NEWNET));
	CALL(bound(SOCK_STREAM, &named) >= 0);
	if (!fork()) {
		setuid(1000);
		CALL(unshare(CLONE_NEWNET));
		CALL(setns(home, CLONE_NEWNET));
		_exit(0);
	}
	wait(&status);
	return 0;
}
