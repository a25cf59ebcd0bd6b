/* A listener decides about another process's calls: what it may say, when nobody waits any more, descriptors it
 * gives; and what a tracer learns of filters. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLABLE 32 /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */
#define SUSPEND (1 << 21) /* PTRACE_O_SUSPEND_SECCOMP */
#define CALL(...) tell(#__VA_ARGS__, __VA_ARGS__)
static int listener, hit[2];

static long tell(const char *what, long r)
{
	int e = errno;
	printf("  %s: ", what);
	r == -1 ? printf("fails %d\n", e) : printf("%ld\n", r);
	return r;
}

static long filter(int nr, unsigned flags, unsigned action)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {4, f};
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p);
}

static long listen_to(int nr, unsigned flags)
{
	return filter(nr, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_RET_USER_NOTIF);
}

static void on_signal(int sig)
{
	write(hit[1], "!", 1);
}

static long answer(unsigned long long id, long long val, int error, unsigned flags)
{
	struct seccomp_notif_resp r = {id, val, error, flags};
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static struct seccomp_notif next(void)
{
	struct seccomp_notif n;
	memset(&n, 0, sizeof n);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n))
		printf("  RECV fails %d\n", errno);
	return n;
}

static int ready(int wait)
{
	struct pollfd p = {listener, POLLIN | POLLOUT};
	poll(&p, 1, wait);
	return p.revents;
}

static void end(int pid)
{
	int status;
	waitpid(pid, &status, 0);
	printf("  ended %x\n", status & ~0x80);
}

/* a child that makes one call and tells what that answered */
static int caller(int nr, int arg)
{
	int pid = fork();
	if (pid == 0) {
		errno = 0;
		long r = syscall(nr, arg);
		_exit(r == -1 ? errno & 0x7f : r & 0x7f);
	}
	return pid;
}

static long give(unsigned long long id, int fd, unsigned flags, int newfd, unsigned newfd_flags)
{
	struct seccomp_notif_addfd a = {id, flags, fd, newfd, newfd_flags};
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

static void descriptors(void)
{
	struct rlimit tiny = {9, 9};
	int pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_NOFILE, &tiny);
		long r = syscall(SYS_getppid);
		_exit(r * 10 + (fcntl(8, F_GETFD) == 1) + (fcntl(r, F_GETFD) == 0));
	}
	struct seccomp_notif n = next();
	struct { struct seccomp_notif_addfd a; long more; } big = {{n.id, 0, 1, 0, 0}, 7};
	puts("given descriptors");
	CALL(give(n.id, 99, 0, 0, 0));
	CALL(give(n.id, 1, 0, 5, 0));
	CALL(give(n.id, 1, 8, 0, 0));
	CALL(give(n.id, 1, 0, 0, 1));
	CALL(give(n.id + 1, 1, 0, 0, 0));
	CALL(ioctl(listener, _IOW('!', 3, char[8]), &n));
	CALL(ioctl(listener, _IOW('!', 3, big), &big));
	CALL(give(n.id, 1, SECCOMP_ADDFD_FLAG_SETFD, 8, O_CLOEXEC));
	CALL(give(n.id, 1, SECCOMP_ADDFD_FLAG_SETFD, 9, 0));
	int at = give(n.id, 1, 0, 0, 0);
	printf("  gets %d\n", at == listener + 1);
	while ((at = give(n.id, 1, 0, 0, 0)) >= 0)
		;
	printf("  until %d\n", errno);
	CALL(give(n.id, 1, SECCOMP_ADDFD_FLAG_SEND | SECCOMP_ADDFD_FLAG_SETFD, 7, 0));
	CALL(give(n.id, 1, 0, 0, 0));
	end(pid);
}

static void interrupted(void)
{
	for (int killable = 0; killable < 2; killable++) {
		int pid = fork();
		if (pid == 0) {
			struct sigaction sa = {.sa_handler = on_signal};
			sigaction(SIGUSR1, &sa, 0);
			pipe(hit);
			listener = listen_to(SYS_gettid, killable ? KILLABLE : 0);
			int child = fork();
			if (child == 0) {
				errno = 0;
				long r = syscall(SYS_gettid);
				_exit(r == -1 ? errno & 0x7f : r);
			}
			struct seccomp_notif n = next();
			char c;
			kill(child, SIGUSR1);
			if (!killable) {
				read(hit[0], &c, 1);
				CALL(answer(n.id, 1, 0, 0));
				CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
				end(child);
			} else {
				CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
				CALL(answer(n.id, 33, 0, 0));
				read(hit[0], &c, 1);
				end(child);
			}
			/* the error that would restart a call, and no signal */
			child = caller(SYS_gettid, 0);
			n = next();
			CALL(answer(n.id, 0, -512, 0));
			end(child);
			/* killed while it waits */
			child = caller(SYS_gettid, 0);
			n = next();
			kill(child, SIGKILL);
			end(child);
			CALL(answer(n.id, 0, 0, 0));
			_exit(0);
		}
		end(pid);
	}
}

static void traced(void)
{
	unsigned long long md[2] = {0, 9};
	struct sock_filter f[8];
	puts("a tracer");
	int pid = fork(), status;
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		filter(SYS_getgid, SECCOMP_FILTER_FLAG_LOG, SECCOMP_RET_ERRNO | 7);
		filter(SYS_getuid, 0, SECCOMP_RET_KILL_PROCESS);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(syscall(SYS_getgid) == -1 ? syscall(SYS_getuid) : 44);
	}
	waitpid(pid, &status, 0);
	CALL(ptrace(0x420d, pid, 16, md));
	printf("  %llu %llu\n", md[0], md[1]);
	md[0] = 1;
	CALL(ptrace(0x420d, pid, 99, md));
	printf("  %llu %llu\n", md[0], md[1]);
	CALL(ptrace(0x420d, pid, 4, md));
	md[0] = 2;
	CALL(ptrace(0x420d, pid, 16, md));
	CALL(ptrace(0x420c, pid, 1, 0));
	CALL(ptrace(0x420c, pid, 1, f));
	printf("  %x %x\n", f[1].k, f[2].k);
	CALL(ptrace(0x420c, pid, 2, f));
	CALL(ptrace(PTRACE_CONT, pid, 0, 0));
	end(pid); /* of SIGSYS, without a stop for it */
	for (int suspend = 0; suspend < 2; suspend++) {
		if ((pid = fork()) == 0) {
			filter(SYS_getgid, 0, SECCOMP_RET_ERRNO | 7);
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			_exit(syscall(SYS_getgid) == -1 ? 7 : 3);
		}
		waitpid(pid, &status, 0);
		CALL(ptrace(PTRACE_SETOPTIONS, pid, 0, suspend ? SUSPEND : 0));
		ptrace(PTRACE_CONT, pid, 0, 0);
		end(pid);
	}
	/* the tracer ends while its child stands in front of a call */
	if ((pid = fork()) == 0) {
		int child = fork();
		if (child == 0) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			write(hit[1], "+", syscall(SYS_getuid) == 0);
			_exit(0);
		}
		waitpid(child, &status, 0);
		ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD);
		ptrace(PTRACE_SYSCALL, child, 0, 0);
		waitpid(child, &status, 0);
		_exit(status >> 8);
	}
	end(pid);
	char c;
	printf("  %ld\n", (long)read(hit[0], &c, 1));
}

int main(void)
{
	struct seccomp_notif n;
	int pid;
	setvbuf(stdout, 0, _IOLBF, 0);
	alarm(8);
	pipe(hit);
	puts("flags");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	CALL(filter(-2, KILLABLE, SECCOMP_RET_ALLOW));
	CALL(listen_to(SYS_getppid, SECCOMP_FILTER_FLAG_TSYNC));
	CALL(filter(-2, 64, SECCOMP_RET_ALLOW));
	unsigned action = SECCOMP_RET_USER_NOTIF;
	CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	traced();
	if ((pid = fork()) == 0) {
		filter(SYS_getppid, 0, SECCOMP_RET_USER_NOTIF);
		_exit(syscall(SYS_getppid) == -1 ? errno : 0);
	}
	end(pid);
	interrupted();
	puts("a listener");
	listener = listen_to(SYS_getppid, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
	CALL(fcntl(listener, F_GETFD));
	CALL(listen_to(SYS_getppid, 0));
	CALL(ready(0));
	CALL(read(listener, &n, 80));
	pid = caller(SYS_getppid, 0);
	CALL(ready(-1));
	memset(&n, 1, sizeof n);
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n));
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, 0));
	CALL(ioctl(listener, 0x2177, &n));
	n = next();
	printf("  %d %d %x\n", n.pid == pid, n.data.nr, n.data.arch);
	CALL(ready(0));
	CALL(answer(n.id, 5, 0, 2));
	CALL(answer(n.id, 5, 0, 1));
	CALL(answer(n.id + 9, 5, 0, 0));
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	CALL(answer(n.id, 55, 0, 0));
	end(pid);
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n.id));
	pid = caller(SYS_getppid, 0);
	CALL(answer(next().id, 0, -9, 0));
	end(pid);
	pid = fork();
	if (pid == 0)
		_exit(syscall(SYS_getppid) == getpid() ? 1 : 2);
	CALL(answer(next().id, 0, 0, 1));
	end(pid);
	descriptors();
	puts("the end");
	if ((pid = fork()) == 0) {
		close(listener);
		_exit(syscall(SYS_getppid) == -1 ? errno : 0);
	}
	next();
	close(listener);
	end(pid);
	/* nobody has the filter any more */
	if ((pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)) == 0)
		_exit(listen_to(SYS_getuid, 0));
	int status;
	waitpid(pid, &status, 0);
	listener = status >> 8;
	CALL(ready(-1));
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, memset(&n, 0, sizeof n)));
	return 0;
}
