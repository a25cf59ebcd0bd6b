/* The FPU across signals: a handler begins with a fresh one, what it does there is undone, what it writes into its
 * frame is not, and no other process loses its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int change;

static void show(const char *what)
{
	struct { unsigned short cw, r0, sw, r1, tag, r2; unsigned eip, cs, dp, ds; } env;
	unsigned mxcsr;
	double st = 0;
	__asm__ volatile("fnstenv %0" : "=m"(env));
	__asm__ volatile("fldenv %0" : : "m"(env));
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	if (env.tag != 0xffff)
		__asm__ volatile("fstl %0" : "=m"(st));
	printf("%s: cw %x sw %x tag %x mxcsr %x st %d\n", what, env.cw, env.sw, env.tag, mxcsr, (int)st);
	fflush(stdout);
}

static void load(unsigned short cw, int value)
{
	unsigned mxcsr = 0x1f80 | (cw & 0xc00) << 3;
	__asm__ volatile("fninit; fldcw %0; fildl %1; ldmxcsr %2" : : "m"(cw), "m"(value), "m"(mxcsr));
}

static void xmm(const char *what)
{
	int words[4];
	__asm__ volatile("movups %%xmm7, %0" : "=m"(words));
	printf("%s: xmm7 %x %x\n", what, words[0], words[3]);
}

static void set_xmm(int n)
{
	int words[4] = {n, n, n, n};
	__asm__ volatile("movups %0, %%xmm7" : : "m"(words));
}

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
	show("in the handler");
	if (fp)
		printf("saved: cw %lx tag %lx exponent %x magic %x\n", fp->cw & 0xffff, fp->tag & 0xffff, fp->_st[0].exponent, fp->status >> 16);
	load(0xf7f, 99);
	set_xmm(99);
	if (change && fp) {
		fp->cw = fp->cw & ~0xffff | 0xb7f; /* the plain image, and the one behind it */
		((unsigned short *)fp)[56] = 0xb7f;
		((unsigned *)fp)[28 + 6] = 0x5f80;
		((unsigned *)fp)[28 + 40 + 28] = 0x1234;
	}
}

static void child(int n, int in, int out)
{
	char byte;
	load(0x37f | n << 10, 10 + n);
	set_xmm(n);
	for (int turn = 0; turn < 4; turn++) {
		read(in, &byte, 1);
		if (n == 1)
			raise(SIGUSR1);
		printf("%d, turn %d\n", n, turn);
		show("mine");
		xmm("mine");
		fflush(stdout);
		write(out, "x", 1);
	}
	_exit(0);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	int a[2], b[2];
	sigaction(SIGUSR1, &sa, 0);
	if (!fork()) { /* one that has never used it */
		raise(SIGUSR1);
		show("after");
		_exit(0);
	}
	wait(0);
	load(0x77f, 7);
	set_xmm(7);
	raise(SIGUSR1);
	show("as before");
	xmm("as before");
	change = 1;
	raise(SIGUSR1);
	show("as the handler wants it");
	xmm("as the handler wants it");
	change = 0;
	pipe(a);
	pipe(b);
	if (!fork())
		child(1, a[0], b[1]);
	if (!fork())
		child(2, b[0], a[1]);
	write(a[1], "x", 1);
	wait(0);
	wait(0);
	show("the parent's");
	xmm("the parent's");
	return 0;
}
