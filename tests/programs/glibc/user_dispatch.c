/* Syscall User Dispatch: whose calls become SIGSYS, what a bad selector does, fork and exec; and the vDSO moved. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define ON(...) prctl(59, __VA_ARGS__)
#define CALL(...) tell(#__VA_ARGS__, (long)(__VA_ARGS__))
static volatile char selector;
static int seen, code, number, arch, nested;

static long tell(const char *what, long r)
{
	int e = errno;
	printf("  %s: ", what);
	r == -1 ? printf("fails %d\n", e) : printf("%ld\n", r);
	fflush(stdout);
	return r;
}

static void on_sys(int sig, siginfo_t *info, void *context)
{
	selector = 0;
	seen++;
	code = info->si_code;
	number = info->si_syscall;
	arch = info->si_arch;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EAX] = 777;
}

static long raw(int nr)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(nr), "b"(0), "c"(0), "d"(0) : "memory");
	return r;
}

static void ends(const char *what)
{
	int status;
	fflush(stdout);
	wait(&status);
	printf("  %s: %x\n", what, status & ~0x80);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
	unsigned long long config[4] = {9, 9, 9, 9};
	sigaction(SIGSYS, &sa, 0);
	puts("arguments");
	CALL(ON(9, 0, 0, 0));
	CALL(ON(0, 1, 0, 0));
	CALL(ON(0, 0, 0, &selector));
	CALL(ON(1, 8, 0, 0));
	CALL(ON(2, 0, 0, &selector));
	CALL(ON(0, 0, 0, 0));
	puts("a call");
	CALL(ON(1, 0, 0, &selector));
	CALL(raw(SYS_getpid) == getpid());
	selector = 1;
	long r = raw(SYS_getpid);
	printf("%ld: %d code %d call %d arch %x, %d\n", r, seen, code, number, arch, selector);
	selector = 1;
	r = raw(5000);
	printf("%ld: call %d\n", r, number);
	selector = 1;
	r = syscall(SYS_getpid); /* through the vDSO or not */
	printf("%ld: call %d\n", r, number);
	puts("heirs");
	if (!fork()) {
		selector = 1;
		_exit(raw(SYS_getuid));
	}
	ends("a child");
	puts("allowed code");
	CALL(ON(1, (long)raw & -4096, 8192, &selector));
	selector = 1;
	r = raw(SYS_getuid);
	selector = 0;
	printf("%ld\n", r);
	CALL(ON(2, (long)raw & -4096, 8192, &selector));
	selector = 1;
	r = raw(SYS_getuid);
	printf("%ld\n", r);
	CALL(ON(0, 0, 0, 0));
	puts("selectors");
	if (!fork()) {
		ON(1, 0, 0, &selector);
		selector = 7;
		raw(SYS_getuid);
		_exit(1);
	}
	ends("another value");
	if (!fork()) {
		ON(1, 0, 0, 16);
		raw(SYS_getuid);
		_exit(1);
	}
	ends("nowhere");
	if (!fork()) {
		signal(SIGSYS, SIG_IGN);
		ON(1, 0, 0, 0);
		raw(SYS_getuid);
		_exit(1);
	}
	ends("none");
	puts("a tracer");
	int pid = fork(), status;
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		ON(1, 0, 0, &selector);
		raise(SIGSTOP);
		selector = 1;
		_exit(raw(SYS_getuid) == 777 ? 7 : 8);
	}
	waitpid(pid, &status, 0);
	CALL(ptrace(0x4211, pid, 31, config));
	CALL(ptrace(0x4211, pid, 32, config));
	printf("%llu %d %llu %llu\n", config[0], config[1] == (unsigned)&selector, config[2], config[3]);
	config[0] = 9;
	CALL(ptrace(0x4210, pid, 32, config));
	memset(config, 0, sizeof config);
	CALL(ptrace(0x4210, pid, 32, config));
	ptrace(PTRACE_CONT, pid, 0, 0);
	ends("let go");
	puts("the vDSO elsewhere");
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR), *to = mmap(0, 65536, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char name[100];
	unsigned long size = 0, from, end;
	FILE *f = fopen("/proc/self/maps", "r");
	while (fgets(name, sizeof name, f))
		if (strstr(name, "[vdso]") && sscanf(name, "%lx-%lx", &from, &end) == 2)
			size = end - from;
	fclose(f);
	if (!fork()) {
		r = syscall(SYS_mremap, vdso, size, size, 3, to); /* by a call in that page, where there is one */
		int moved = r == (long)to && !memcmp(to, "\177ELF", 4);
		__asm__ volatile("int $0x80" : : "a"(SYS_exit_group), "b"(moved ? 3 : 4));
	}
	ends("moved");
	return 0;
}
