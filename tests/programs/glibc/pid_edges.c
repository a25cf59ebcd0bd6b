/* Every call that takes a process's number, with numbers of nobody, of all, of init and of the caller; every call
 * that takes a signal's number, with those at the ends; and clocks by number. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALL(...) tell(#__VA_ARGS__, syscall(__VA_ARGS__))
static char buffer[256];
static int quiet; /* what a success answers is this system's own */

static void tell(const char *what, long r)
{
	int e = errno;
	printf("  %s: ", what);
	if (r == -1)
		printf("fails %d\n", e);
	else
		printf(quiet ? "works\n" : "%ld\n", r);
	fflush(stdout);
}

static void with_pid(int pid)
{
	struct sched_param p = {0};
	struct iovec v = {buffer, 4};
	siginfo_t info;
	memset(&info, 0, sizeof info);
	quiet = 1;
	for (int request = 0; request < 40; request++)
		if (request && pid != getpid() && request != 32)
			CALL(SYS_ptrace, request, pid, 0, 0);
	CALL(SYS_ptrace, 0x4206, pid, 0, 0);
	CALL(SYS_ptrace, 0x4207, pid, 0, 0);
	if (pid != -1) {
		CALL(SYS_kill, pid, 0);
		CALL(SYS_kill, pid, 65);
		CALL(SYS_kill, pid, -1);
	}
	CALL(SYS_tkill, pid, 0);
	CALL(SYS_tkill, pid, 65);
	CALL(SYS_tgkill, pid, pid, 0);
	CALL(SYS_tgkill, pid, getpid(), 0);
	CALL(SYS_tgkill, getpid(), pid, 0);
	CALL(SYS_tgkill, -1, pid, 0);
	CALL(SYS_getpgid, pid);
	CALL(SYS_getsid, pid);
	CALL(SYS_getpriority, PRIO_PROCESS, pid);
	if (pid != 1)
		CALL(SYS_getpriority, PRIO_PGRP, pid);
	CALL(SYS_sched_getscheduler, pid);
	CALL(SYS_sched_getparam, pid, &p);
	CALL(SYS_sched_getparam, pid, 0);
	CALL(SYS_sched_setparam, pid, 0);
	CALL(SYS_sched_rr_get_interval, pid, buffer);
	CALL(SYS_sched_getattr, pid, buffer, 48, 0);
	CALL(SYS_prlimit64, pid, 7, 0, buffer);
	CALL(SYS_process_vm_readv, pid, &v, 1, &v, 1, 0);
	CALL(SYS_process_vm_readv, pid, &v, 1, &v, 1, 1);
	CALL(SYS_get_robust_list, pid, buffer, buffer + 8);
	info.si_code = SI_QUEUE;
	CALL(SYS_rt_sigqueueinfo, pid, 0, &info);
	CALL(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info);
	CALL(SYS_rt_tgsigqueueinfo, getpid(), pid, 0, &info);
	if (pid != getpid()) { /* newer kernels let a process tell itself anything */
		info.si_code = SI_TKILL;
		CALL(SYS_rt_sigqueueinfo, pid, 0, &info);
		CALL(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info);
		info.si_code = 0;
		CALL(SYS_rt_sigqueueinfo, pid, 0, &info);
		CALL(SYS_rt_tgsigqueueinfo, pid, pid, 0, &info);
		CALL(SYS_rt_tgsigqueueinfo, getpid(), pid, 0, &info);
	}
	CALL(SYS_wait4, pid, 0, WNOHANG, 0);
	CALL(SYS_wait4, pid, 0, 0x10, 0);
	CALL(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG, 0);
	CALL(SYS_waitid, P_PGID, pid, &info, WEXITED | WNOHANG, 0);
	CALL(SYS_waitid, P_ALL, pid, &info, WNOHANG, 0);
	CALL(SYS_waitid, 4, pid, &info, WEXITED | WNOHANG, 0);
	CALL(SYS_capget, (unsigned[]){0x20080522, pid}, buffer);
	CALL(SYS_clock_getres, ~pid << 3 | 2, buffer);
	CALL(SYS_clock_getres, ~pid << 3 | 6, buffer);
	CALL(SYS_clock_gettime, ~pid << 3 | 2, buffer);
	CALL(SYS_clock_gettime, ~pid << 3 | 6, buffer);
	CALL(SYS_clock_gettime, ~pid << 3 | 7, buffer);
	CALL(SYS_ioprio_get, 1, pid);
	CALL(SYS_ioprio_get, 0, pid);
	CALL(SYS_ioprio_get, 4, pid);
	quiet = 0;
}

static void with_signal(int sig)
{
	struct { void *handler; unsigned long flags; void *restorer; unsigned mask[2]; } action, old;
	memset(&action, 0, sizeof action);
	CALL(SYS_rt_sigaction, sig, 0, 0, 8);
	CALL(SYS_rt_sigaction, sig, 0, &old, 8);
	CALL(SYS_rt_sigaction, sig, &action, 0, 8);
	CALL(SYS_rt_sigaction, sig, &action, 0, 4);
	CALL(SYS_rt_sigaction, sig, 8, 0, 8);
	CALL(SYS_rt_sigaction, sig, 0, 8, 8);
	CALL(67, sig, 0, 0);
	CALL(67, sig, &action, 0);
	CALL(67, sig, 8, 0);
	CALL(SYS_kill, 999999, sig);
	CALL(SYS_tkill, 999999, sig);
	CALL(SYS_tgkill, 999999, 999999, sig);
	if (sig != SIGKILL && sig != SIGSTOP) {
		quiet = 1;
		CALL(SYS_signal, sig, SIG_IGN);
		CALL(SYS_signal, sig, SIG_DFL);
		quiet = 0;
	}
	CALL(SYS_prctl, 1, sig);
}

static void masks(void)
{
	unsigned set[2] = {~0u, ~0u}, old[2] = {0, 0};
	for (int how = -1; how < 4; how++) {
		CALL(SYS_rt_sigprocmask, how, set, old, 8);
		printf("%x %x\n", old[0], old[1]);
		CALL(SYS_rt_sigprocmask, how, 0, old, 8);
		CALL(SYS_sigprocmask, how, set, old);
		printf("%x\n", old[0]);
		CALL(SYS_sigprocmask, how, 0, old);
		set[0] = 1 << how & 0xff;
		set[1] = 0x80000000;
	}
	CALL(SYS_rt_sigprocmask, 0, set, 0, 4);
	CALL(SYS_rt_sigprocmask, 0, set, 0, 16);
	CALL(SYS_rt_sigprocmask, 0, 8, 0, 8);
	CALL(SYS_rt_sigprocmask, 0, 0, 8, 8);
	CALL(SYS_rt_sigpending, old, 8);
	CALL(SYS_rt_sigpending, old, 9);
	CALL(SYS_rt_sigpending, old, 4);
	CALL(SYS_rt_sigpending, 8, 8);
	CALL(SYS_sigpending, 8);
	CALL(SYS_rt_sigsuspend, set, 4);
	CALL(SYS_rt_sigsuspend, 8, 8);
	struct timespec t = {0, 0}, bad[3] = {{0, 1000000000}, {-1, 0}, {0, -1}};
	CALL(SYS_rt_sigtimedwait, set, 0, &t, 8);
	CALL(SYS_rt_sigtimedwait, set, 0, &t, 4);
	CALL(SYS_rt_sigtimedwait, 8, 0, &t, 8);
	for (int n = 0; n < 3; n++) {
		CALL(SYS_rt_sigtimedwait, set, 0, bad + n, 8);
		CALL(SYS_nanosleep, bad + n, 0);
		CALL(SYS_clock_nanosleep, 0, 0, bad + n, 0);
		CALL(SYS_ppoll, 0, 0, bad + n, 0, 8);
		CALL(SYS_pselect6, 0, 0, 0, 0, bad + n, 0);
		CALL(SYS_futex, buffer, 0, 0, bad + n);
		CALL(SYS_settimeofday, bad + n, 0);
		CALL(SYS_clock_settime, 1, bad + n);
	}
	for (unsigned size = 2046; size < 2050; size++) {
		stack_t stack = {buffer, 0, size};
		CALL(SYS_sigaltstack, &stack, 0);
	}
	for (int flags = 0; flags < 8; flags++) {
		stack_t stack = {buffer, flags, 4096}, was;
		CALL(SYS_sigaltstack, &stack, &was);
		printf("%x %u\n", was.ss_flags, (unsigned)was.ss_size);
	}
	CALL(SYS_sigaltstack, 8, 0);
	CALL(SYS_sigaltstack, 0, 8);
}

static void clocks(void)
{
	for (int clock = -8; clock < 14; clock++) {
		struct timespec t;
		if (clock >= 8 && clock <= 11)
			continue; /* of devices that wake the machine, of SGI's, of newer kernels */
		quiet = 1;
		CALL(SYS_clock_gettime, clock, &t);
		CALL(SYS_clock_gettime, clock, 8);
		CALL(SYS_clock_getres, clock, 0);
		CALL(SYS_clock_getres, clock, 8);
		quiet = 0;
		if (clock >= 0) /* else that of a process that uses no time while it sleeps */
			CALL(SYS_clock_nanosleep, clock, TIMER_ABSTIME, (&(struct timespec){0, 1}), 0);
		if (clock >= 0 && clock != 2 && clock != 3)
			CALL(SYS_clock_nanosleep, clock, 2, (&(struct timespec){0, 1}), 0);
		CALL(SYS_clock_settime, clock, 8);
	}
	struct sysinfo s;
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	sysinfo(&s);
	printf("uptime: %d\n", s.uptime >= t.tv_sec && s.uptime <= t.tv_sec + 1);
	printf("%d %d %d\n", s.mem_unit == 1 || s.mem_unit == 4096, s.totalram > s.freeram, s.procs > 1);
}

int main(void)
{
	static const int signals[] = {-1, 0, 1, 9, 19, 31, 32, 33, 63, 64, 65, 100};
	int pids[] = {-999999, -1, 0, 1, 999999, 1 << 30, getpid()};
	unsigned ids[6];
	getresuid(ids, ids + 1, ids + 2);
	getresgid(ids + 3, ids + 4, ids + 5);
	printf("%u %u %u, %u %u %u\n", ids[0], ids[1], ids[2], ids[3], ids[4], ids[5]);
	if (setgid(1000) || setuid(1000))
		return 1;
	setsid();
	for (int n = 0; n < 7; n++) {
		printf("pid %d\n", n);
		with_pid(pids[n]);
	}
	for (int n = 0; n < 12; n++) {
		printf("signal %d\n", signals[n]);
		with_signal(signals[n]);
	}
	masks();
	clocks();
	return 0;
}
