/* Ids of a user namespace: what uid_map, gid_map and setgroups take, and what the calls answer before and after. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

static void store(const char *where, const char *name, const char *what)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/%s", where, name);
	int fd = open(path, O_WRONLY), n = fd < 0 ? -1 : write(fd, what, strlen(what));
	printf("%s <- %s: %d %d\n", name, what, n, n < 0 ? errno : 0);
	close(fd);
}

static void show(const char *name)
{
	char path[64], text[256];
	snprintf(path, sizeof path, "/proc/self/%s", name);
	int fd = open(path, O_RDONLY), n = read(fd, text, sizeof text);
	printf("%s: %.*s.\n", name, n, text);
	close(fd);
}

static void say(const char *what, int result)
{
	printf("%s: %d %d\n", what, result, result < 0 ? errno : 0);
}

static void ids(void)
{
	uid_t r, e, s;
	gid_t g, h, i;
	getresuid(&r, &e, &s);
	getresgid(&g, &h, &i);
	printf("%d %d %d, %d %d %d, %d groups\n", r, e, s, g, h, i, getgroups(0, 0));
}

static void alone(void)
{
	gid_t one[1] = {1};
	say("unshare", unshare(CLONE_NEWUSER));
	ids();
	show("uid_map");
	show("gid_map");
	show("setgroups");
	say("setuid 0", setuid(0));
	say("setgid 0", setgid(0));
	say("setgroups", setgroups(1, one));
	printf("%d\n", setfsuid(0));
	const char *wrong[] = {"0 0", "0 0 0", "a 0 1", "0 0 1 1", "-1 0 1", "0 0 4294967296", "4294967295 0 1", "\n", "0 0 1\n0 1 1",
			       "0 0 1\n1 0 1", "0 0 2", "0 1 1", "0 0 1\n1 1 1"};
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		store("self", "uid_map", wrong[i]);
	store("self", "uid_map", "3 0 1\n");
	store("self", "uid_map", "3 0 1\n");
	ids();
	show("uid_map");
	say("setuid 0", setuid(0));
	say("setuid 3", setuid(3));
	say("setresuid", setresuid(-1, 4, -1));
	store("self", "gid_map", "0 0 1");
	store("self", "setgroups", "nothing");
	store("self", "setgroups", "maybe");
	store("self", "setgroups", "allow");
	store("self", "setgroups", "deny \n");
	store("self", "setgroups", "deny");
	store("self", "setgroups", "allow");
	store("self", "gid_map", "7 0 1");
	ids();
	show("gid_map");
	show("setgroups");
	say("setgid 7", setgid(7));
	say("setregid", setregid(0, -1));
	say("setgroups", setgroups(1, one));
	fflush(stdout);
}

static void by_the_parent(void)
{
	int to[2], back[2];
	char c = 0;
	pipe(to);
	pipe(back);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		unshare(CLONE_NEWUSER);
		write(back[1], &c, 1);
		read(to[0], &c, 1);
		gid_t some[2] = {100, 149}, other[1] = {150};
		ids();
		show("uid_map");
		show("gid_map");
		say("setuid 99", setuid(99));
		say("setgroups", setgroups(1, other));
		say("setgroups", setgroups(2, some));
		say("setresgid", setresgid(101, 102, 103));
		say("setresuid", setresuid(101, 102, 103));
		ids();
		fflush(stdout);
		_exit(0);
	}
	char where[32];
	snprintf(where, sizeof where, "%d", pid);
	read(back[0], &c, 1);
	store(where, "uid_map", "100 0 50\n200 1000 5");
	store(where, "gid_map", "100 0 50");
	store(where, "setgroups", "deny");
	fflush(stdout);
	write(to[1], &c, 1);
	waitpid(pid, 0, 0);
}

int main(void)
{
	store("self", "uid_map", "0 0 1");
	store("self", "setgroups", "deny");
	show("setgroups");
	fflush(stdout);
	if (!fork()) {
		setgroups(0, 0);
		alone();
		_exit(0);
	}
	wait(0);
	by_the_parent();
	return 0;
}
