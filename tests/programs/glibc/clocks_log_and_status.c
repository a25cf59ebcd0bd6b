/* CLOCK_TAI and its neighbours, syslog, cachestat, and lines of /proc/PID/status that change. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void is(const char *what, long result)
{
	printf("%s: %ld %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
}

static void clocks(void)
{
	int ids[] = {8, 9, 10, 11, 12};
	for (int i = 0; i < 5; i++) {
		struct timespec t = {0}, res, little = {0, 1000}, past = {1, 0};
		struct sigevent none = {.sigev_notify = SIGEV_NONE};
		timer_t timer;
		printf("clock %d\n", ids[i]);
		is("get", clock_gettime(ids[i], &t));
		is("resolution", clock_getres(ids[i], &res));
		printf("sleep: %d, until: %d\n", clock_nanosleep(ids[i], 0, &little, 0),
		       clock_nanosleep(ids[i], TIMER_ABSTIME, &past, 0));
		is("timer", timer_create(ids[i], &none, &timer));
		is("set", clock_settime(ids[i], &t));
	}
	struct timespec real, tai;
	clock_gettime(CLOCK_REALTIME, &real), clock_gettime(CLOCK_TAI, &tai);
	printf("near %d\n", tai.tv_sec - real.tv_sec <= 38);
}

static void logs(void)
{
	static char buf[1 << 18];
	is("open", klogctl(1, 0, 0));
	is("close", klogctl(0, 0, 0));
	is("read nothing", klogctl(2, buf, 0));
	is("read to nowhere", klogctl(2, 0, 0));
	is("a negative size", klogctl(3, buf, -1));
	is("no such", klogctl(100, buf, 0));
	is("level 0", klogctl(8, 0, 0));
	is("level 9", klogctl(8, 0, 9));
	printf("a size %d\n", klogctl(10, 0, 0) >= 1 << 14);
	if (!fork()) {
		setresuid(99, 99, 99);
		is("clear as another", klogctl(5, 0, 0));
		is("unread as another", klogctl(9, 0, 0));
		is("no such as another", klogctl(100, 0, 0));
		_exit(0);
	}
	wait(0);
}

static void caches(void)
{
	struct { uint64_t off, len; } range = {4096, 8192};
	uint64_t stat[5];
	static char page[4096];
	int fd = memfd_create("m", 0), p[2];
	for (int i = 0; i < 5; i++)
		write(fd, page, 4096);
	is("cachestat", syscall(451, fd, &range, stat, 0));
	printf("%d\n", (int)stat[0]);
	range.len = 0;
	is("to the end", syscall(451, fd, &range, stat, 0));
	printf("%d\n", (int)stat[0]);
	range.off = 1 << 20;
	is("behind it", syscall(451, fd, &range, stat, 0));
	printf("%d\n", (int)stat[0]);
	is("a flag", syscall(451, fd, &range, stat, 1));
	is("no file", syscall(451, 99, &range, stat, 0));
	is("no range", syscall(451, fd, 0, stat, 0));
	is("no room", syscall(451, fd, &range, 0, 0));
}

static void line(const char *name)
{
	char text[200];
	FILE *f = fopen("/proc/self/status", "r");
	while (fgets(text, sizeof text, f))
		if (!strncmp(text, name, strlen(name)))
			fputs(text, stdout);
	fclose(f);
}

static void status(void)
{
	line("NoNewPrivs"), line("Seccomp"), line("TracerPid");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	line("NoNewPrivs");
	static const char fixed[8192] = "what is written";
	static char here[8192];
	int mem = open("/proc/self/mem", O_RDWR);
	char got[8] = "";
	is("write", pwrite(mem, "hello", 6, (uintptr_t)here));
	puts(here);
	is("write what may only be read", pwrite(mem, "WHAT", 4, (uintptr_t)fixed));
	puts(*(const char *volatile *)&(const char *){fixed});
	is("write where nothing is", pwrite(mem, "x", 1, 64));
	is("write from nowhere", pwrite(mem, (char *)64, 1, (uintptr_t)here));
	is("read a page that was never touched", pread(mem, got, 4, (uintptr_t)here + 4096));
	is("read where nothing is", pread(mem, got, 1, 64));
	int in = CLONE_NEWCGROUP | SIGCHLD;
	setresuid(99, 99, 99);
	is("a namespace of cgroups", syscall(SYS_clone, in, 0, 0, 0, 0));
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	clocks();
	logs();
	caches();
	status();
	return 0;
}
