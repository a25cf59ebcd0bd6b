/* acct in a namespace of process numbers of one's own: errors, and the records of processes that have ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct record {
	uint8_t flag, version;
	uint16_t tty;
	uint32_t code, uid, gid, pid, ppid, btime;
	float etime;
	uint16_t utime, stime, mem, io, rw, minflt, majflt, swaps;
	char comm[16];
};

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r, r < 0 ? e : 0);
	return r;
}

static int child(int how)
{
	int status, pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, how == 1 ? "one" : how == 2 ? "a rather long name" : "three");
		if (how == 2) {
			struct rlimit none = { 0, 0 };
			setrlimit(RLIMIT_CORE, &none);
			kill(getpid(), SIGTERM);
		}
		if (how == 3) {
			setgid(100);
			setuid(1000);
			usleep(150000);
		}
		if (how == 4)
			execl("/proc/self/exe", "again", "quick", (char *)0);
		_exit(how);
	}
	waitpid(pid, &status, 0);
	return pid;
}

static void inside(const char *dir)
{
	struct record r;
	say("of a directory", acct("."));
	say("of a device", acct("/dev/null"));
	say("of nothing", acct("nowhere"));
	say("bad address", acct((char *)1));
	int fd = open("log", O_CREAT | O_RDWR, 0600);
	symlink("loop", "loop");
	say("of a loop", acct("loop"));
	mkdir("ro", 0700);
	unshare(CLONE_NEWNS);
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	mount("none", "ro", "tmpfs", 0, 0);
	close(open("ro/file", O_CREAT | O_RDWR, 0600));
	mount(0, "ro", 0, MS_REMOUNT | MS_RDONLY, 0);
	say("read-only", acct("ro/file"));
	mount(0, "ro", 0, MS_REMOUNT, 0);
	say("there", acct("ro/file"));
	child(1);
	say("it keeps no mount", umount("ro"));
	child(1);
	say("on", acct("log"));
	time_t now = time(0);
	int pids[5];
	for (int i = 1; i < 5; i++)
		pids[i] = child(i);
	say("off", acct(0));
	child(1);
	say("off again", acct(0));
	while (read(fd, &r, sizeof r) == sizeof r) {
		printf("flag %x version %d tty %d code %x uid %d gid %d pid %d ppid %d\n", r.flag & ~2, r.version, r.tty != 0,
		       r.code, r.uid, r.gid, r.pid, r.ppid);
		printf("  now %d took %s mem %d blocks %d swaps %d, faults %d, %.16s\n", abs((int)(now - r.btime)) < 3,
		       r.etime > 50 ? "long" : r.etime >= 14 ? "a while" : "no time", r.mem > 0, r.rw, r.swaps,
		       r.minflt > 0, r.comm);
	}
	setuid(1000);
	say("for nobody", acct("log"));
	say("off for nobody", acct(0));
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/acct.XXXXXX";
	if (argc > 1)
		return 4;
	setvbuf(stdout, 0, _IONBF, 0);
	if (!mkdtemp(dir) || chmod(dir, 0755) || chdir(dir) || unshare(CLONE_NEWPID))
		return 77;
	if (!fork()) {
		inside(dir);
		_exit(0);
	}
	wait(0);
	return 0;
}
