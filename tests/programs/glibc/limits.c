/* Limits and priorities at their edges: who may raise, whose can be changed, what a policy takes. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	fflush(stdout);
	return r;
}

struct attr { unsigned size, policy; unsigned long long flags; int nice; unsigned priority; unsigned long long more[3]; };

static long setattr(int pid, unsigned policy, unsigned long long flags, int nice, unsigned priority)
{
	struct attr a = {48, policy, flags, nice, priority};
	return syscall(SYS_sched_setattr, pid, &a, 0);
}

static void as(int uid, void (*what)(int), int pid)
{
	int status, child = fork();
	if (!child) {
		if (uid) {
			setresgid(uid, uid, uid);
			setresuid(uid, uid, uid);
		}
		what(pid);
		exit(0);
	}
	waitpid(child, &status, 0);
	if (status)
		printf("ended %x\n", status);
	fflush(stdout);
}

static void all_limits(int pid)
{
	unsigned now[2], then[2];
	for (int resource = -1; resource <= 17; resource++) {
		printf("limit %d: ", resource);
		say("old", syscall(76, resource, now));
		say("new", syscall(191, resource, then));
		if (resource >= 0 && resource < 16) {
			unsigned below[2] = {then[0], 0x7ffffff0}, crossed[2] = {6, 5};
			say("crossed", syscall(75, resource, crossed));
			if (resource < 2 || resource == 4 || resource == 7) /* the tests run without core files; others are below */
				continue;
			crossed[0] = 5;
			say("equal", syscall(75, resource, crossed));
			say("no way back", (crossed[1] = 6, syscall(75, resource, crossed)));
			say("down", (crossed[0] = crossed[1] = 4, syscall(75, resource, crossed)));
			syscall(191, resource, now);
			printf("%u %u\n", now[0], now[1]);
		}
	}
	say("nowhere", syscall(191, 3, 8));
	say("nowhere", syscall(75, 3, 8));
	say("prlimit, nowhere", syscall(340, 0, 4, 8, 0));
	say("prlimit, nowhere", syscall(340, 0, 4, 0, 8));
	say("prlimit, none", syscall(340, 0, 16, 0, 0));
	say("prlimit, nobody", syscall(340, 999999, 4, 0, 0));
	unsigned long long all[2] = {-1, -1}, big[2] = {1ull << 32, 1ull << 33};
	say("prlimit, all", syscall(340, 0, 1, all, 0));
	say("prlimit, get", syscall(340, 0, 1, 0, all));
	printf("%llx %llx\n", all[0], all[1]);
	say("prlimit, big", syscall(340, 0, 2, big, 0));
	say("its parent's", syscall(340, pid, 4, 0, all));
}

static void descriptors(int pid)
{
	struct rlimit64 limit = {1 << 20, 1 << 20}, old;
	FILE *file = fopen("/proc/sys/fs/nr_open", "r");
	long most = 0;
	if (file)
		fscanf(file, "%ld", &most);
	limit.rlim_cur = 10;
	limit.rlim_max = most + 1;
	say("above nr_open", prlimit64(0, RLIMIT_NOFILE, &limit, 0));
	limit.rlim_max = most;
	prlimit64(0, RLIMIT_NOFILE, 0, &old);
	if (geteuid() == 0 && old.rlim_max < most)
		printf("nr_open: 0 0\n");
	else
		say("nr_open", prlimit64(0, RLIMIT_NOFILE, &limit, 0));
	limit.rlim_max = 20;
	say("20", prlimit64(0, RLIMIT_NOFILE, &limit, &old));
	say("dup2 to 10", dup2(1, 10));
	say("dup2 to 9", dup2(1, 9));
	for (int n = 3; n < 9; n++)
		dup(1);
	say("one more", dup(1));
	say("F_DUPFD 10", syscall(SYS_fcntl64, 1, 0, 10));
	say("F_DUPFD 9", syscall(SYS_fcntl64, 1, 0, 9));
	limit.rlim_cur = 20;
	say("soft up to hard", prlimit64(0, RLIMIT_NOFILE, &limit, 0));
	say("now it goes", dup2(1, 19));
	say("not beyond", dup2(1, 20));
}

static void priorities(int pid)
{
	struct sched_param p = {0};
	struct attr a;
	say("nice", getpriority(PRIO_PROCESS, 0));
	say("lower", setpriority(PRIO_PROCESS, 0, 5));
	say("the same", setpriority(PRIO_PROCESS, 0, 5));
	say("better", setpriority(PRIO_PROCESS, 0, 4));
	say("nice 0", syscall(34, 0));
	say("nice -1", syscall(34, -1));
	say("nice 1", syscall(34, 1));
	say("far", setpriority(PRIO_PROCESS, 0, 100));
	say("is", getpriority(PRIO_PROCESS, 0));
	say("attr, the same", setattr(0, SCHED_OTHER, 0, 19, 0));
	say("attr, beyond", setattr(0, SCHED_OTHER, 0, 25, 0));
	say("attr, better", setattr(0, SCHED_OTHER, 0, 18, 0));
	say("attr, keep", setattr(0, SCHED_BATCH, 0x10, 0, 0));
	say("policy", sched_getscheduler(0));
	say("attr, keep the policy", setattr(0, SCHED_OTHER, 8, 19, 0));
	say("policy", sched_getscheduler(0));
	say("attr, fifo", setattr(0, SCHED_FIFO, 0, 0, 5));
	say("attr, fifo 0", setattr(0, SCHED_FIFO, 0, 0, 0));
	say("attr, flags", setattr(0, SCHED_OTHER, 0x80, 19, 0));
	say("attr, reset on fork", setattr(0, SCHED_OTHER, 1, 19, 0));
	say("attr, no more", setattr(0, SCHED_OTHER, 0, 19, 0));
	memset(&a, 0, sizeof a);
	say("get", syscall(SYS_sched_getattr, 0, &a, 48, 0));
	printf("%u %u %llu %d %u\n", a.size, a.policy, a.flags, a.nice, a.priority);
	say("47", syscall(SYS_sched_getattr, 0, &a, 47, 0));
	say("flags", syscall(SYS_sched_getattr, 0, &a, 48, 1));
	say("nobody", syscall(SYS_sched_getattr, 999999, &a, 48, 0));
	say("nobody", setattr(999999, SCHED_OTHER, 0, 0, 0));
	say("-1", setattr(-1, SCHED_OTHER, 0, 0, 0));
	say("fifo", sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){1}));
	say("fifo 0", sched_setscheduler(0, SCHED_FIFO, &p));
	say("idle", sched_setscheduler(0, SCHED_IDLE | 0x40000000, &p));
	say("back", sched_setscheduler(0, SCHED_OTHER | 0x40000000, &p));
	say("other 1", sched_setscheduler(0, SCHED_OTHER | 0x40000000, &(struct sched_param){1}));
	say("policy 4", sched_setscheduler(0, 4, &p));
	say("policy 7", sched_setscheduler(0, 7, &p));
	say("policy -1", sched_setscheduler(0, -1, &p));
	say("max", sched_get_priority_max(SCHED_FIFO));
	say("max", sched_get_priority_max(SCHED_IDLE));
	say("max", sched_get_priority_max(4));
	say("min", sched_get_priority_min(SCHED_RR));
	say("min", sched_get_priority_min(SCHED_BATCH));
	say("min", sched_get_priority_min(77));
	say("another's", setpriority(PRIO_PROCESS, pid, 10));
	say("another's", sched_setscheduler(pid, SCHED_OTHER, &p));
	say("no such kind", setpriority(3, 0, 0));
	say("no such kind", getpriority(-1, 0));
	say("nobody's", setpriority(PRIO_USER, 54321, 10));
	say("no such group", setpriority(PRIO_PGRP, 999999, 10));
}

int main(void)
{
	int child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	as(1000, all_limits, getpid());
	as(1000, descriptors, 0);
	as(0, descriptors, 0);
	as(1000, priorities, getpid());
	kill(child, SIGKILL);
	return 0;
}
