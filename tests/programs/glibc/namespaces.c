/* Namespaces as files, setns, and trees of mounts of one's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
static int ns(pid_t pid, const char *name)
{
	char path[60];
	sprintf(path, "/proc/%d/ns/%s", pid, name);
	return open(path, O_RDONLY);
}
static void same(const char *what, pid_t a, pid_t b, const char *name)
{
	char path[60];
	struct stat one, two;
	sprintf(path, "/proc/%d/ns/%s", a, name), stat(path, &one);
	sprintf(path, "/proc/%d/ns/%s", b, name), stat(path, &two);
	printf("%s %s: %d\n", what, name, one.st_ino == two.st_ino && one.st_dev == two.st_dev);
}
static const char *host(void)
{
	static struct utsname u;
	uname(&u);
	return u.nodename;
}

int main(void)
{
	char dir[] = "/tmp/namespaces.XXXXXX", b[100] = "", c;
	int ready[2], go[2];
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	mkdir("m", 0755), close(open("m/below", O_CREAT | O_RDWR, 0644));
	/* Everything happens in a tree of its own, whatever the machine's says of propagation. */
	say("own tree", unshare(CLONE_NEWNS));
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	ssize_t n = readlink("/proc/self/ns/uts", b, sizeof b);
	printf("%.5s\n", b);
	say("name", n > 10);
	pipe(ready), pipe(go);
	pid_t child = fork();
	if (!child) {
		say("unshare", unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS));
		sethostname("inside", 6);
		int id = shmget(77, 4096, IPC_CREAT | 0600);
		say("mount", mount("none", "m", "tmpfs", 0, 0));
		say("covered", access("m/below", F_OK));
		close(open("m/inside", O_CREAT | O_RDWR, 0644));
		write(ready[1], "x", 1);
		read(go[0], &c, 1);
		_exit(0);
	}
	read(ready[0], &c, 1);
	pid_t me = getpid();
	same("child", me, child, "uts"), same("child", me, child, "ipc"), same("child", me, child, "mnt");
	same("child", me, child, "pid"), same("child", me, child, "user");
	say("not covered here", access("m/below", F_OK));
	say("not here", access("m/inside", F_OK));
	int uts = ns(child, "uts"), own = ns(me, "uts"), ipc = ns(child, "ipc"), mnt = ns(child, "mnt");
	say("wrong type", setns(uts, CLONE_NEWIPC));
	say("no namespace", setns(go[1], 0));
	say("no descriptor", setns(-1, 0));
	say("enter", setns(uts, CLONE_NEWUTS));
	puts(host());
	same("entered", me, child, "uts");
	say("back", setns(own, 0));
	printf("%d\n", strcmp(host(), "inside") != 0);
	say("no segment here", shmget(77, 4096, 0600));
	say("enter", setns(ipc, 0));
	int id = shmget(77, 4096, 0600);
	say("segment", id >= 0);
	shmctl(id, IPC_RMID, 0);
	say("same user", setns(ns(me, "user"), 0));
	say("own pid", setns(ns(me, "pid"), 0));
	if (fork() == 0) {
		say("enter mounts", setns(mnt, 0));
		say("at the root", chdir(dir));
		say("there", access("m/inside", F_OK));
		say("umount", umount("m"));
		say("uncovered", access("m/below", F_OK));
		setuid(65534);
		say("not permitted", setns(uts, 0));
		say("open", open("/proc/1/ns/uts", O_RDONLY));
		_exit(0);
	}
	wait(0);
	if (fork() == 0) {
		int pidfd = syscall(SYS_pidfd_open, child, 0);
		say("by pidfd, nothing", setns(pidfd, 0));
		say("by pidfd", setns(pidfd, CLONE_NEWUTS | CLONE_NEWNS));
		puts(host());
		same("by pidfd", getpid(), child, "mnt");
		_exit(0);
	}
	wait(0);
	write(go[1], "x", 1);
	waitpid(child, 0, 0);
	say("kept open", setns(uts, 0));
	puts(host());
	if ((child = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0)) == 0)
		pause();
	int pid = ns(child, "pid");
	say("enter pid", setns(pid, CLONE_NEWPID));
	same("self", me, child, "pid"), same("children", child, me, "pid_for_children");
	pid_t two = fork();
	if (!two) {
		printf("number %d\n", getpid());
		_exit(0);
	}
	waitpid(two, 0, 0);
	kill(child, SIGKILL), waitpid(child, 0, 0);
	unlink("m/below"), rmdir("m"), chdir("/"), rmdir(dir);
	return 0;
}
