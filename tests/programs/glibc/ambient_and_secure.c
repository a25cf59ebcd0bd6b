/* Capabilities that an exec leaves: ambient ones, SECBIT_, the old rule of root; and whether a file may be executed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL(...) tell(#__VA_ARGS__, (long)(__VA_ARGS__))
#define CHECK 0x10000 /* AT_EXECVE_CHECK */
static char **env;

static long tell(const char *what, long r)
{
	int e = errno;
	printf("  %s: ", what);
	r == -1 ? printf("fails %d\n", e) : printf("%lx\n", r);
	fflush(stdout);
	return r;
}

static void sets(unsigned inheritable, int drop)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	syscall(SYS_capget, &h, d);
	d[0].inheritable = inheritable;
	if (drop)
		d[0].effective &= ~(1 << drop), d[0].permitted &= ~(1 << drop);
	CALL(syscall(SYS_capset, &h, d));
}

static void show(const char *what)
{
	char line[200];
	FILE *f = fopen("/proc/self/status", "r");
	printf("%s:", what);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, "Cap", 3) && strncmp(line, "CapBnd", 6))
			printf(" %.3s %.6s", line + 3, line + 18);
	printf(" bits %x\n", prctl(PR_GET_SECUREBITS));
	fflush(stdout);
	fclose(f);
}

static void again(const char *what)
{
	char *argv[] = {"self", (char *)what, 0};
	fflush(stdout);
	execve("/proc/self/exe", argv, env);
	_exit(99);
}

/* in a child: the code, then what an exec makes of it */
#define CHILD(...) do { fflush(stdout); if (!fork()) { __VA_ARGS__; exit(0); } wait(0); } while (0)

int main(int argc, char **argv, char **envp)
{
	env = envp;
	if (argc > 1) {
		show(argv[1]);
		return 0;
	}
	puts("ambient");
	CALL(prctl(47, 1, 13, 0, 0));
	CALL(prctl(47, 0, 13, 0, 0));
	CALL(prctl(47, 5, 0, 0, 0));
	CALL(prctl(47, 1, 64, 0, 0));
	CALL(prctl(47, 2, 13, 1, 0));
	CALL(prctl(47, 4, 1, 0, 0));
	CALL(prctl(47, 2, 13, 0, 0));
	CHILD(sets(1 << 13 | 1 << 10, 0); CALL(prctl(47, 2, 13, 0, 0)); CALL(prctl(47, 2, 10, 0, 0)); CALL(prctl(47, 1, 13, 0, 0));
	      show("raised"); CALL(prctl(47, 3, 10, 0, 0)); show("lowered"); sets(1 << 13, 13); show("dropped"));
	CHILD(sets(1 << 13, 0); prctl(47, 2, 13, 0, 0); prctl(PR_SET_KEEPCAPS, 1); setresuid(1000, 1000, 1000); show("keeps"); again("keeps, executed"));
	CHILD(sets(1 << 13, 0); prctl(PR_SET_KEEPCAPS, 1); setresuid(1000, 1000, 1000); CALL(prctl(47, 2, 13, 0, 0)); again("a user's"));
	CHILD(sets(1 << 13 | 1, 0); prctl(47, 2, 13, 0, 0); CALL(prctl(47, 4, 0, 0, 0)); show("cleared"));
	CHILD(sets(1 << 13, 0); prctl(47, 2, 13, 0, 0); again("root's"));
	CHILD(sets(1 << 13, 0); prctl(47, 2, 13, 0, 0); setresuid(1000, 0, 0); again("half a root"));
	puts("SECBIT_");
	CHILD(CALL(prctl(PR_SET_SECUREBITS, 0x40)); sets(1 << 13, 0); CALL(prctl(47, 2, 13, 0, 0)));
	CHILD(CALL(prctl(PR_SET_SECUREBITS, 1)); again("no root"));
	CHILD(CALL(prctl(PR_SET_SECUREBITS, 0x10)); again("no longer kept"));
	CHILD(CALL(prctl(PR_SET_SECUREBITS, 0xfff)); CALL(prctl(PR_SET_SECUREBITS, 0xeff)); CALL(prctl(PR_SET_SECUREBITS, 0x5ff)); CALL(prctl(PR_SET_SECUREBITS, 0x1fff)));
	CHILD(setuid(1000); CALL(prctl(PR_SET_SECUREBITS, 0)); CALL(prctl(PR_SET_SECUREBITS, 1)); CALL(prctl(PR_SET_SECUREBITS, 0x500)); CALL(prctl(PR_SET_SECUREBITS, 0xf00)); CALL(prctl(PR_SET_SECUREBITS, 0)));
	puts("may it be executed");
	int fd = memfd_create("empty", 0);
	char *none[] = {"x", 0};
	CALL(syscall(SYS_execveat, fd, "", none, env, AT_EMPTY_PATH | CHECK));
	CALL(syscall(SYS_execveat, fd, "", none, env, CHECK));
	CALL(syscall(SYS_execveat, fd, "", none, 8, AT_EMPTY_PATH | CHECK));
	CALL(write(fd, "#!/none\n", 8));
	CALL(syscall(SYS_execveat, fd, "", none, env, AT_EMPTY_PATH));
	fchmod(fd, 0644);
	CALL(syscall(SYS_execveat, fd, "", none, env, AT_EMPTY_PATH | CHECK));
	CALL(syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", none, env, CHECK));
	CALL(syscall(SYS_execveat, AT_FDCWD, "/proc", none, env, CHECK));
	CALL(syscall(SYS_execveat, AT_FDCWD, "/proc/self/exe", none, env, 0x20000 | CHECK));
	return 0;
}
