/* Leases, how opening breaks them, and signals for I/O to a file's owner. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int got, got_fd, got_band, got_code;
static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
static void handler(int sig, siginfo_t *info, void *context)
{
	got = sig, got_fd = info->si_fd, got_band = info->si_band, got_code = info->si_code;
}
static void told(const char *what, int fd)
{
	if (got == SIGIO)
		printf("%s: SIGIO %x\n", what, got_code);
	else
		printf("%s: %d fd %d band %x code %d\n", what, got, got && got_fd == fd, got ? got_band : 0, got ? got_code : 0);
	got = 0;
}
static int lease(int fd, int kind) { return fcntl(fd, F_SETLEASE, kind); }

int main(void)
{
	char dir[] = "/tmp/leases.XXXXXX";
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	setvbuf(stdout, 0, _IOLBF, 0);
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	for (int sig = SIGRTMIN; sig < SIGRTMIN + 3; sig++)
		sigaction(sig, &act, 0);
	sigaction(SIGIO, &act, 0), sigaction(SIGUSR1, &act, 0), sigaction(SIGTRAP, &act, 0);
	close(open("f", O_CREAT | O_WRONLY, 0644));
	int rd = open("f", O_RDONLY), wr;
	say("none", fcntl(rd, F_GETLEASE));
	say("give back none", lease(rd, F_UNLCK));
	say("kind", lease(rd, 7));
	say("read", lease(rd, F_RDLCK));
	say("is", fcntl(rd, F_GETLEASE));
	say("write, alone", lease(rd, F_WRLCK));
	say("is", fcntl(rd, F_GETLEASE));
	say("back to read", lease(rd, F_RDLCK));
	int rd2 = open("f", O_RDONLY);
	say("write, two open", lease(rd, F_WRLCK));
	say("second read lease", lease(rd2, F_RDLCK));
	say("give back", lease(rd2, F_UNLCK));
	close(rd2);
	say("open to write", open("f", O_WRONLY | O_NONBLOCK));
	told("break", rd);
	say("becomes", fcntl(rd, F_GETLEASE));
	say("again", open("f", O_WRONLY | O_NONBLOCK));
	told("not again", rd);
	say("reading is no break", close(open("f", O_RDONLY | O_NONBLOCK)));
	say("give back", lease(rd, F_UNLCK));
	wr = open("f", O_WRONLY | O_NONBLOCK);
	say("read while open to write", lease(rd, F_RDLCK));
	close(rd);
	say("write while open to write", lease(wr, F_WRLCK));
	say("own signal", fcntl(wr, F_SETSIG, SIGRTMIN + 1));
	say("reading breaks it", open("f", O_RDONLY | O_NONBLOCK));
	told("break", wr);
	say("becomes", fcntl(wr, F_GETLEASE));
	say("writing too", open("f", O_RDWR | O_NONBLOCK));
	told("break", wr);
	say("becomes", fcntl(wr, F_GETLEASE));
	say("give back", lease(wr, F_UNLCK));
	close(wr);
	int d = open(".", O_RDONLY);
	say("fifo", (mkfifo("p", 0600), lease(open("p", O_RDWR), F_RDLCK)));
	rd = open("f", O_RDONLY);
	lease(rd, F_RDLCK);
	pid_t child = fork();
	if (!child) {
		say("child waits", open("f", O_WRONLY) >= 0 ? 0 : -1);
		say("truncate", truncate("f", 0));
		_exit(0);
	}
	while (!got)
		pause();
	told("from the child", rd);
	usleep(20000);
	puts("give back");
	lease(rd, F_UNLCK);
	while (waitpid(child, 0, 0) < 0)
		;
	lease(rd, F_RDLCK);
	if (!(child = fork())) {
		signal(SIGALRM, SIG_DFL);
		sigaction(SIGALRM, &act, 0);
		ualarm(20000, 0);
		say("interrupted", open("f", O_WRONLY));
		_exit(0);
	}
	close(rd);
	while (waitpid(child, 0, 0) < 0)
		;
	if (!fork()) {
		rd = open("f", O_RDONLY);
		setuid(65534);
		say("another's file", lease(rd, F_RDLCK));
		_exit(0);
	}
	wait(0);
	got = 0;

	int p[2], s[2];
	pipe(p);
	say("async without owner", fcntl(p[0], F_SETFL, O_ASYNC));
	write(p[1], "x", 1);
	told("nobody", p[0]);
	say("owner", fcntl(p[0], F_SETOWN, getpid()));
	write(p[1], "x", 1);
	told("pipe", p[0]);
	say("signal", fcntl(p[0], F_SETSIG, SIGRTMIN));
	say("which", fcntl(p[0], F_GETSIG) == SIGRTMIN);
	write(p[1], "x", 1);
	told("pipe", p[0]);
	fcntl(p[0], F_SETSIG, SIGUSR1);
	write(p[1], "x", 1);
	told("pipe, SIGUSR1", p[0]);
	fcntl(p[0], F_SETSIG, SIGTRAP);
	write(p[1], "x", 1);
	told("pipe, SIGTRAP", p[0]);
	say("no more", fcntl(p[0], F_SETFL, 0));
	write(p[1], "x", 1);
	told("pipe", p[0]);
	say("flags", fcntl(p[0], F_GETFL));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fcntl(s[0], F_SETOWN, -getpgrp()), fcntl(s[0], F_SETSIG, SIGRTMIN + 2), fcntl(s[0], F_SETFL, O_ASYNC);
	write(s[1], "x", 1);
	told("socket", s[0]);
	struct f_owner_ex owner = {F_OWNER_TID, getpid()};
	say("thread", fcntl(s[0], F_SETOWN_EX, &owner));
	write(s[1], "x", 1);
	told("socket", s[0]);
	close(s[0]);
	unlink("f"), unlink("p"), chdir("/"), rmdir(dir);
	return 0;
}
