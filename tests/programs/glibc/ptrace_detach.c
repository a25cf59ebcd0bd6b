/* Who is let go of after single steps goes on without them, whatever flag it has set itself in between. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int traps;

static void trap(int sig)
{
	traps++;
}

static void show(const char *what, int pid)
{
	struct user_regs_struct regs;
	int status;
	if (waitpid(pid, &status, 0) < 0)
		printf("%s: %d\n", what, errno);
	else if (WIFSTOPPED(status)) {
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		printf("%s: stopped %x, TF %d\n", what, status, (int)(regs.eflags >> 8 & 1));
	} else
		printf("%s: %x\n", what, status);
	fflush(stdout);
}

static void child(int flags)
{
	signal(SIGTRAP, trap);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	if (flags)
		__asm__ volatile("pushf; orl $0x100, (%%esp); popf; nop; nop; pushf; andl $~0x100, (%%esp); popf" : : : "cc", "memory");
	else
		__asm__ volatile("nop; nop; nop; nop; nop; nop; nop; nop; pushf; popf; nop");
	_exit(traps);
}

int main(void)
{
	for (int flags = 0; flags < 2; flags++)
		for (int steps = 0; steps < 24; steps++)
			for (int how = 0; how < 2; how++) {
				int pid = fork(), status;
				struct user_regs_struct regs;
				if (!pid)
					child(flags);
				waitpid(pid, &status, 0);
				for (int n = 0; n < steps; n++) {
					ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
					waitpid(pid, &status, 0);
				}
				if (how == 1 && steps % 3 == 0) { /* the tracer sets the flag itself */
					ptrace(PTRACE_GETREGS, pid, 0, &regs);
					printf("TF %d\n", (int)(regs.eflags >> 8 & 1));
					regs.eflags |= 0x100;
					ptrace(PTRACE_SETREGS, pid, 0, &regs);
				}
				if (how && WIFSTOPPED(status)) {
					ptrace(PTRACE_CONT, pid, 0, 0);
					for (int n = 0; n < 8 && waitpid(pid, &status, 0) > 0 && WIFSTOPPED(status); n++)
						ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
					printf("continued after %d: %x\n", steps, status);
					if (WIFSTOPPED(status)) {
						kill(pid, SIGKILL);
						waitpid(pid, &status, 0);
					}
					continue;
				}
				printf("detached after %d: %ld\n", steps, ptrace(PTRACE_DETACH, pid, 0, 0));
				show("then", pid);
			}
	return 0;
}
