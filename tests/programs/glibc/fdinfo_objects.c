/* What /proc/self/fdinfo says of objects of the kernel; and F_OFD_GETLK for one's own locks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int child;

static void show(const char *what, int fd)
{
	char path[99], line[200];
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	printf("%s:\n", what);
	while (fgets(line, sizeof line, f)) {
		if (!strncmp(line, "mnt_id", 6) || !strncmp(line, "ino", 3) || !strncmp(line, "eventfd-id", 10))
			continue;
		if (!strncmp(line, "tfd", 3))
			strcpy(strstr(line, "ino:"), "…\n");
		if (!strncmp(line, "it_value: (9", 12))
			strcpy(line + 15, "…\n");
		int pid, inner;
		if (sscanf(line, "Pid: %d", &pid) == 1 && pid > 0)
			sprintf(line, "Pid: the child's %d\n", pid == child);
		else if (sscanf(line, "NSpid: %d %d", &pid, &inner) == 2)
			sprintf(line, "NSpid: the child's %d, %d\n", pid == child, inner);
		else if (sscanf(line, "NSpid: %d", &pid) == 1 && pid > 0)
			sprintf(line, "NSpid: the child's %d\n", pid == child);
		fputs(line, stdout);
	}
	fclose(f);
}

static void lock(const char *what, int fd, int cmd, int type, int start, int length)
{
	struct flock64 l = {type, SEEK_SET, start, length, 0};
	int r = fcntl(fd, cmd, &l);
	printf("%s: %d %d, %d from %d for %d\n", what, r, r ? errno : 0, l.l_type, (int)l.l_start, (int)l.l_len);
}

int main(void)
{
	char c = 0;
	int e = eventfd(5, EFD_SEMAPHORE), ep = epoll_create1(0), t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct epoll_event ev = {EPOLLIN | EPOLLET, {.u64 = 0x123456789abcull}};
	struct itimerspec it = {{1, 5}, {99999, 0}}, soon = {{0, 0}, {0, 1}};
	sigset_t s;
	setvbuf(stdout, 0, _IOLBF, 0);
	show("an eventfd", e);
	e = eventfd(0x12345, EFD_CLOEXEC);
	show("another", e);
	show("an empty epoll", ep);
	epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev);
	show("an epoll", ep);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGRTMIN + 3);
	show("a signalfd", signalfd(-1, &s, 0));
	show("a timerfd", t);
	timerfd_settime(t, 0, &it, 0);
	show("set", t);
	timerfd_settime(t, TFD_TIMER_ABSTIME, &soon, 0);
	usleep(1000);
	show("expired", t);
	for (int ns = 0; ns < 2; ns++) {
		if (ns)
			unshare(CLONE_NEWPID);
		if (!(child = fork())) {
			pause();
			_exit(0);
		}
		int p = syscall(SYS_pidfd_open, child, 0);
		show("a child", p);
		kill(child, SIGKILL);
		waitpid(child, 0, 0);
		show("dead", p);
	}
	int m = memfd_create("locked", 0);
	char name[40];
	sprintf(name, "/proc/self/fd/%d", m);
	int n = open(name, O_RDWR);
	lock("set", m, F_OFD_SETLK, F_WRLCK, 5, 10);
	lock("set", m, F_OFD_SETLK, F_RDLCK, 30, 0);
	lock("own", m, F_OFD_GETLK, F_UNLCK, 0, 0);
	lock("own, later", m, F_OFD_GETLK, F_UNLCK, 20, 1000);
	lock("own, between", m, F_OFD_GETLK, F_UNLCK, 16, 5);
	lock("in the way", m, F_OFD_GETLK, F_WRLCK, 0, 0);
	lock("another's own", n, F_OFD_GETLK, F_UNLCK, 0, 0);
	lock("in another's way", n, F_OFD_GETLK, F_WRLCK, 0, 0);
	lock("the old call", n, F_GETLK, F_UNLCK, 0, 0);
	return 0;
}
