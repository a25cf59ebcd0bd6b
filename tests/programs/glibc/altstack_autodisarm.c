/* SS_AUTODISARM: a handler on the stack takes it away until it returns, and may set another or the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define DISARM (1u << 31)
static char one[65536], two[65536];

static void is(const char *what)
{
	stack_t s;
	sigaltstack(0, &s);
	printf("%s: %s %x %d\n", what, s.ss_sp == one ? "one" : s.ss_sp == two ? "two" : "none", s.ss_flags, (int)s.ss_size);
}

static int set(char *sp, unsigned flags)
{
	stack_t s = {sp, flags, sizeof one};
	int r = sigaltstack(&s, 0);
	return r ? errno : 0;
}

static const char *where(void *p)
{
	return (char *)p >= one && (char *)p < one + sizeof one ? "one" : (char *)p >= two && (char *)p < two + sizeof two ? "two" : "the usual";
}

static void on_other(int sig)
{
	char here;
	printf("  nested on %s\n", where(&here));
}

static void on_usr1(int sig, siginfo_t *info, void *context)
{
	stack_t *s = &((ucontext_t *)context)->uc_stack;
	char here;
	printf("on %s, back to %s %x\n", where(&here), s->ss_sp == one ? "one" : "none", s->ss_flags);
	is("  inside");
	raise(SIGUSR2);
	printf("  set another: %d\n", set(two, DISARM));
	raise(SIGUSR2);
	is("  after");
}

int main(void)
{
	struct sigaction a = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	setvbuf(stdout, 0, _IOLBF, 0);
	sigaction(SIGUSR1, &a, 0);
	a.sa_handler = on_other;
	a.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &a, 0);
	is("at first");
	printf("%d %d %d %d\n", set(one, 4), set(one, DISARM | 4), set(one, DISARM | SS_ONSTACK), set(one, DISARM | SS_DISABLE));
	is("disabled");
	set(one, DISARM);
	is("set");
	raise(SIGUSR1);
	is("behind");
	raise(SIGUSR2);
	is("and again");
	if (!fork()) {
		is("a child");
		_exit(0);
	}
	wait(0);
	set(one, 0);
	is("armed");
	raise(SIGUSR1);
	is("still");
	return 0;
}
