/* clone3 with the numbers that the child has in each namespace: which can be had, and what a failure leaves. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* Numbers from the innermost namespace outwards; the child says which it has here and one level further out. */
static void make(const char *what, int flags, const int *numbers, int count)
{
	struct args args = {.flags = flags, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)numbers, .set_tid_size = count};
	int status, pid = syscall(SYS_clone3, &args, sizeof args);
	if (!pid) {
		printf("  is %d, its parent %d\n", getpid(), getppid());
		exit(0);
	}
	if (pid < 0)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: made %d, %d\n", what, waitpid(pid, &status, 0) == pid, status), printf("  here %d\n", pid);
}
#define MAKE(flags, count, ...) make(#flags " " #count " " #__VA_ARGS__, flags, (int[40]){__VA_ARGS__}, count)

/* Within two namespaces of its own, as the first of the inner one. */
static void inner(void)
{
	MAKE(0, 0, 0);
	MAKE(0, 1, 0);
	MAKE(0, 1, -1);
	MAKE(0, 1, 1);
	MAKE(0, 1, 50);
	MAKE(0, 1, 50);
	MAKE(0, 1, 51);
	MAKE(0, 1, 5000000);
	MAKE(0, 1, 0x7fffffff);
	MAKE(0, 1, 4);
	MAKE(0, 2, 60, 70);
	MAKE(0, 2, 60, 0);
	MAKE(0, 2, 60, -7);
	MAKE(0, 2, 60, 1);
	MAKE(0, 2, 1, 71);
	MAKE(0, 1, 60);
	MAKE(0, 1, 71);
	MAKE(0, 2, 61, 71);
	MAKE(0, 33, 62, 72, 1);
	MAKE(0, 40, 62);
	MAKE(0, 0, 62);
	make("no numbers", 0, 0, 1);
	make("numbers of no memory", 0, (int *)16, 1);
	make("numbers without a count", 0, (int *)16, 0);
	make("none", 0, 0, 0);
	MAKE(CLONE_NEWPID, 1, 2);
	MAKE(CLONE_NEWPID, 1, 1);
	MAKE(CLONE_NEWPID, 2, 1, 80);
	MAKE(CLONE_NEWPID, 2, 2, 81);
	MAKE(CLONE_NEWPID, 2, 1, 1);
	MAKE(CLONE_NEWPID, 3, 1, 82, 83);
	MAKE(CLONE_NEWPID, 3, 1, 84, 1);
	MAKE(0, 1, 84);
	MAKE(0, 2, 85, 83);
	MAKE(CLONE_NEWPID, 3, 1, 1, 86);
	MAKE(0, 2, 87, 86);
	MAKE(0, 0, 0);
	if (setresuid(1000, 1000, 1000))
		puts("cannot become another user");
	MAKE(0, 1, 90);
	MAKE(0, 1, 1);
	MAKE(0, 1, 0);
	MAKE(0, 2, 90, 90);
	MAKE(0, 0, 0);
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	if (unshare(CLONE_NEWPID))
		return 1;
	if (!fork()) {
		if (unshare(CLONE_NEWPID))
			return 1;
		if (!fork()) {
			inner();
			exit(0);
		}
		wait(0);
		exit(0);
	}
	wait(0);
	return 0;
}
