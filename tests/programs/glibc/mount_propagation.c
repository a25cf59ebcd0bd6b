/* Shared subtrees: what is mounted and unmounted on a shared mount, its peers and its slaves; and pivot_root. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/propagation.XXXXXX";

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %s %d\n", what, r < 0 ? "no" : "yes", r < 0 ? e : 0);
	return r;
}

/* the mounts below the directory; groups by the letter of their first appearance */
static void show(const char *when)
{
	char line[1000];
	int seen[26], n = 0;
	FILE *f = fopen("/proc/self/mountinfo", "r");
	printf("-- %s\n", when);
	while (fgets(line, sizeof line, f)) {
		char root[300], place[300], more[300];
		if (sscanf(line, "%*s %*s %*s %299s %299s %*s %299[^\n]", root, place, more) != 3)
			continue;
		if (strncmp(place, dir, strlen(dir)))
			continue;
		*strstr(more, "- ") = 0;
		printf("%s%s %s", place + strlen(dir), place[strlen(dir)] ? "" : ".", root);
		for (char *word = strtok(more, " "); word; word = strtok(0, " ")) {
			char *colon = strchr(word, ':');
			if (!colon) {
				printf(" %s", word);
				continue;
			}
			int id = atoi(colon + 1), i;
			for (i = 0; i < n && seen[i] != id; i++)
				;
			if (i == n)
				seen[n++] = id;
			printf(" %.*s:%c", (int)(colon - word), word, 'A' + i);
		}
		printf("\n");
	}
	fclose(f);
}

static void pivot(void)
{
	mount("none", "p", "tmpfs", 0, 0);
	say("chroot", chroot("p"));
	chdir("/");
	mkdir("new", 0755);
	mkdir("plain", 0755);
	say("no mount", syscall(SYS_pivot_root, "plain", "plain"));
	mount("none", "new", "tmpfs", 0, 0);
	mkdir("new/old", 0755);
	close(open("new/file", O_CREAT | O_WRONLY, 0600));
	close(open("before", O_CREAT | O_WRONLY, 0600));
	mkdir("side", 0755);
	mount("none", "side", "tmpfs", 0, 0);
	say("not below", syscall(SYS_pivot_root, "new", "side"));
	say("on the same", syscall(SYS_pivot_root, "new", "plain"));
	say("a file", syscall(SYS_pivot_root, "new/file", "new/old"));
	say("nothing", syscall(SYS_pivot_root, "nowhere", "new/old"));
	mount(0, "new", 0, MS_SHARED, 0);
	say("shared", syscall(SYS_pivot_root, "new", "new/old"));
	mount(0, "new", 0, MS_PRIVATE, 0);
	say("pivot", syscall(SYS_pivot_root, "new", "new/old"));
	say("the new root", access("/file", F_OK));
	say("the old one", access("/old/before", F_OK));
	say("here", access("file", F_OK));
	chdir("/");
	say("away with it", umount2("/old", MNT_DETACH));
	say("nothing there", access("/old/before", F_OK));
	setuid(1000);
	say("for nobody", syscall(SYS_pivot_root, "/", "/old"));
}

int main(void)
{
	int pipes[2], back[2];
	char c;
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || chdir(dir) || unshare(CLONE_NEWNS))
		return 77;
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	mount("none", dir, "tmpfs", 0, 0);
	chdir(dir);
	for (const char *p = "a\0b\0c\0d\0e\0p\0"; *p; p += 2)
		mkdir(p, 0755);
	mount("a", "a", "tmpfs", 0, 0);
	mkdir("a/x", 0755);
	mkdir("a/y", 0755);
	say("two kinds", mount(0, "a", 0, MS_SHARED | MS_PRIVATE, 0));
	say("no mount", mount(0, "b", 0, MS_SHARED, 0));
	say("shared", mount(0, "a", 0, MS_SHARED, 0));
	say("bind", mount("a", "b", 0, MS_BIND, 0));
	say("bind a part", mount("a/x", "c", 0, MS_BIND, 0));
	say("bind", mount("a", "d", 0, MS_BIND, 0));
	say("slave", mount(0, "d", 0, MS_SLAVE, 0));
	show("peers, a part and a slave");
	say("mount", mount("m", "a/x", "tmpfs", 0, 0));
	show("on a/x");
	close(open("b/x/file", O_CREAT | O_WRONLY, 0600));
	say("there", access("d/x/file", F_OK));
	say("and there", access("c/file", F_OK));
	say("mount in the slave", mount("m", "d/y", "tmpfs", 0, 0));
	show("on d/y");
	say("mount on what is there", mount("m", "a/y", "tmpfs", 0, 0));
	show("on a/y");
	int fd = open("d/x/file", O_RDONLY);
	say("busy elsewhere", umount("b/x"));
	close(fd);
	say("umount", umount("b/x"));
	show("without b/x");
	say("slave and shared", mount(0, "d", 0, MS_SHARED, 0));
	say("bind it", mount("d", "e", 0, MS_BIND, 0));
	show("a slave with peers");
	say("mount", mount("m", "b/x", "tmpfs", 0, 0));
	show("on b/x");
	say("umount", umount("a/x"));
	say("umount", umount("a/y"));
	show("without a/x, a/y");
	say("private", mount(0, "a", 0, MS_PRIVATE, 0));
	say("the last peers", umount("b"));
	show("without b");
	say("unbindable", mount(0, "c", 0, MS_UNBINDABLE, 0));
	say("bind it", mount("c", "b", 0, MS_BIND, 0));
	show("unbindable");
	say("move from a shared one", mount("u", "d/x", "tmpfs", 0, 0));
	say("move", mount("d/x", "b", 0, MS_MOVE, 0));
	say("unbindable to a shared one", mount("c", "d/x", 0, MS_MOVE, 0));
	say("with all below", mount(dir, "b", 0, MS_BIND | MS_REC, 0));
	show("all");
	/* a shared mount on a directory of its own */
	mount("s", "p", "tmpfs", 0, 0);
	mkdir("p/sub", 0755);
	mount(0, "p", 0, MS_SHARED, 0);
	say("onto itself", mount("p", "p/sub", 0, MS_BIND, 0));
	say("its slave", mount(0, "p/sub", 0, MS_SLAVE, 0));
	show("a mount on itself");
	say("umount", umount("p/sub"));
	say("umount", umount("p"));
	umount2("b", MNT_DETACH);
	umount2("e", MNT_DETACH);
	umount2("c", MNT_DETACH);
	show("less");
	/* another namespace has copies, and peers */
	pipe(pipes);
	pipe(back);
	if (!fork()) {
		unshare(CLONE_NEWNS);
		write(back[1], "1", 1);
		read(pipes[0], &c, 1);
		say("seen by the child", access("d/y/late", F_OK));
		say("unmounted by it", umount("d/y"));
		_exit(0);
	}
	read(back[0], &c, 1);
	umount2("d/y", MNT_DETACH);
	mount("late", "d/y", "tmpfs", 0, 0);
	close(open("d/y/late", O_CREAT | O_WRONLY, 0600));
	write(pipes[1], "1", 1);
	wait(0);
	say("gone here, too", access("d/y/late", F_OK));
	if (!fork()) {
		pivot();
		_exit(0);
	}
	wait(0);
	return 0;
}
