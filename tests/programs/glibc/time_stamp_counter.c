/* PR_SET_TSC: a program that may not read the time-stamp counter, and its children. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;

static void fault(int sig)
{
	siglongjmp(back, sig);
}

static void read_it(const char *what)
{
	unsigned low, high, then;
	int sig = sigsetjmp(back, 1), state = 0;
	if (!sig) {
		__asm__ volatile("rdtsc" : "=a"(then), "=d"(high));
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	}
	prctl(PR_GET_TSC, &state);
	printf("%s: signal %d, state %d\n", what, sig, state);
	fflush(stdout);
}

static void child(const char *what)
{
	if (!fork()) {
		read_it(what);
		_exit(0);
	}
	wait(0);
}

int main(void)
{
	signal(SIGSEGV, fault);
	read_it("at first");
	printf("no such state: %d", prctl(PR_SET_TSC, 3));
	printf(" %d\n", errno);
	printf("off: %d\n", prctl(PR_SET_TSC, PR_TSC_SIGSEGV));
	read_it("off");
	child("a child");
	if (!fork()) {
		prctl(PR_SET_TSC, PR_TSC_ENABLE);
		for (int i = 0; i < 3; i++)
			usleep(1000);
		read_it("a child that may");
		_exit(0);
	}
	usleep(500);
	read_it("still off");
	wait(0);
	printf("on: %d\n", prctl(PR_SET_TSC, PR_TSC_ENABLE));
	read_it("on");
	child("its child");
	return 0;
}
