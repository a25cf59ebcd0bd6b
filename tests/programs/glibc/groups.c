/* Process groups and sessions: who may be moved where, who hears of a hang-up, what an orphan is. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	fflush(stdout);
	return r;
}

static int to_child[2], to_parent[2];
static char byte;

static int child(void (*what)(void))
{
	int pid = fork();
	if (pid)
		return pid;
	if (what)
		what();
	write(to_parent[1], "x", 1);
	read(to_child[0], &byte, 1);
	_exit(0);
}

static void ready(void) { read(to_parent[0], &byte, 1); }
static void new_session(void) { setsid(); }
static void new_group(void) { setpgid(0, 0); }

static void do_exec(void)
{
	write(to_parent[1], "x", 1);
	execl("/proc/self/exe", "groups", "wait", (char *)0);
	_exit(9);
}

static void hit(int sig)
{
	char text[] = "signal 00\n";
	text[7] += sig / 10;
	text[8] += sig % 10;
	write(1, text, 10);
}

static void orphans(int stopped)
{
	int status, middle = fork();
	if (!middle) {
		setpgid(0, 0);
		int group = getpid(), leaf = fork();
		if (!leaf) {
			signal(SIGHUP, hit);
			signal(SIGCONT, hit);
			write(to_parent[1], "x", 1);
			if (stopped)
				raise(SIGSTOP);
			while (getppid() == group)
				usleep(1000);
			usleep(20000);
			printf("leaf: same group %d, stop now: ", getpgrp() == group);
			fflush(stdout);
			raise(SIGTSTP); /* an orphaned group does not stop for that */
			printf("still here\n");
			fflush(stdout);
			write(to_parent[1], "x", 1);
			_exit(0);
		}
		ready();
		if (stopped)
			waitpid(leaf, &status, WUNTRACED);
		_exit(0);
	}
	waitpid(middle, &status, 0);
	ready();
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		usleep(100000);
		return 0;
	}
	setsid();
	pipe(to_child);
	pipe(to_parent);
	int me = getpid(), a = child(0), b, c, d;
	ready();
	b = child(new_session);
	ready();
	c = child(new_group);
	ready();
	say("I lead", getpgrp() == me);
	say("setsid of a leader", setsid());
	say("own group again", setpgid(0, 0));
	say("own group, by number", setpgid(me, me));
	say("negative group", setpgid(0, -1));
	say("negative pid", setpgid(-2, 0));
	say("no such process", setpgid(999999, 0));
	say("init is no child", setpgid(1, 1));
	say("no such group", setpgid(a, 999999));
	say("to a group of another session", setpgid(a, b));
	say("out of another session", setpgid(b, me));
	say("to a brother's", setpgid(a, c));
	say("is there", getpgid(a) == c);
	say("back", setpgid(a, me));
	say("its own", setpgid(a, 0));
	say("is", getpgid(a) == a);
	say("the leader of a group, moved", setpgid(c, a));
	say("an empty group is none", setpgid(c, c));
	say("getpgid", getpgid(999999));
	say("getpgid", getpgid(-1));
	say("getsid", getsid(0) == me);
	say("getsid", getsid(b) == b);
	say("getsid", getsid(999999));
	say("getsid", getsid(-1));
	d = fork();
	if (!d)
		do_exec();
	ready();
	usleep(50000);
	say("after exec", setpgid(d, 0));
	waitpid(d, 0, 0);
	say("a grandchild's parent", (d = fork()) ? 0 : ({ int g = child(0); ready(); printf("%d", g == 0); fflush(stdout); _exit(setpgid(me, 0) < 0 ? errno : 0); 0; }));
	int status;
	waitpid(d, &status, 0);
	say("may the child move me", WEXITSTATUS(status));
	say("kill the group", kill(-a, 0));
	say("kill no group", kill(-999999, 0));
	say("wait for a group", waitpid(-b, 0, WNOHANG));
	say("wait for no group", waitpid(-me, 0, WNOHANG));
	say("killpg 1", killpg(1, 0));
	for (int n = 0; n < 4; n++)
		write(to_child[1], "x", 1);
	while (wait(0) > 0)
		continue;
	orphans(0);
	orphans(1);
	return 0;
}
