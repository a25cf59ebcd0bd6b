/* The kinds and rights of what is in /proc and in /dev, here and there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *PATHS[] = {
	"/proc", "/proc/self", "/proc/thread-self", "/proc/mounts", "/proc/1", "/proc/self/task", "/proc/thread-self/",
	"/proc/self/", "/proc/self/fd",  "/proc/self/ns",  "/proc/self/fdinfo/1",
	"/proc/self/exe", "/proc/self/cwd", "/proc/self/root", "/proc/self/ns/pid", 
	"/proc/self/status", "/proc/self/stat", "/proc/self/statm", "/proc/self/maps", "/proc/self/smaps",
	"/proc/self/comm", "/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv", "/proc/self/mem",
	"/proc/self/pagemap", "/proc/self/limits", "/proc/self/mountinfo", "/proc/self/mounts", "/proc/self/cgroup",
	"/proc/self/wchan", "/proc/self/syscall",  "/proc/self/io", 
	"/proc/self/oom_score", "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/self/gid_map",
	   "/proc/self/personality",
	"/proc/self/sched", "/proc/self/schedstat",  "/proc/self/children",
	"/proc/thread-self/children", "/proc/thread-self/task", "/proc/thread-self/stat",
	"/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg", "/proc/version", "/proc/filesystems",
	"/proc/cmdline", "/proc/devices", "/proc/swaps", "/proc/vmstat", "/proc/interrupts", "/proc/partitions",
	"/proc/cpuinfo", "/proc/kpagecount", "/proc/kpageflags", "/proc/sys", "/proc/sysvipc", "/proc/sysvipc/sem",
	"/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs",
	"/proc/sys/kernel/pid_max", "/proc/sys/kernel/ostype", "/proc/sys/kernel/osrelease",
	"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/overcommit_ratio", "/proc/sys/vm/max_map_count", "/proc/sys/kernel/random/uuid",
	 "/proc/sys/fs/pipe-max-size", "/proc/none", "/proc/01", "/proc/+1", "/proc/0",
};

int main(void)
{
	struct stat st;
	char text[2000];
	for (unsigned i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
		if (lstat(PATHS[i], &st))
			printf("%s: %d\n", PATHS[i], errno);
		else
			printf("%s: %o of %d\n", PATHS[i], st.st_mode, st.st_uid);
	for (int mode = O_RDONLY; mode <= O_RDWR; mode++) {
		snprintf(text, sizeof text, "/proc/self/fd/%d", open("/dev/null", mode));
		lstat(text, &st);
		printf("%o\n", st.st_mode);
	}
	const char *dev[] = {"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "shm"};
	for (unsigned i = 0; i < sizeof dev / sizeof *dev; i++) {
		char path[50], to[50] = "";
		snprintf(path, sizeof path, "/dev/%s", dev[i]);
		if (lstat(path, &st))
			printf("%s: %d\n", path, errno);
		else
			printf("%s: %o %x\n", path, st.st_mode, (int)st.st_rdev);
		readlink(path, to, sizeof to);
		printf("%s\n", to);
	}
	struct rlimit limit = {123456, 654321};
	setrlimit(RLIMIT_RSS, &limit);
	FILE *f = fopen("/proc/self/stat", "r");
	char *at = fgets(text, sizeof text, f);
	for (int n = 1; n < 25; n++)
		at = strchr(at, ' ') + 1;
	printf("rsslim: %d\n", atoi(at));
	return 0;
}
