/* /proc as programs read it: the same answers here and there, as far as they are not numbers of the machine. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[1 << 16];

static char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY), n, got = 0;
	if (fd < 0) {
		printf("%s: %d\n", path, errno);
		return strcpy(text, "");
	}
	while ((n = read(fd, text + got, sizeof text - 1 - got)) > 0)
		got += n;
	text[got] = 0;
	close(fd);
	return text;
}

static const char *field(const char *path, const char *name)
{
	char *at = strstr(slurp(path), name);
	if (!at)
		return "(none)";
	at += strlen(name);
	at += strspn(at, ":\t ");
	at[strcspn(at, "\n")] = 0;
	return at;
}

static uint64_t pagemap(int fd, void *page)
{
	uint64_t word = 0;
	if (pread(fd, &word, 8, (uintptr_t)page / 4096 * 8) != 8)
		printf("pagemap: %d\n", errno);
	return word;
}

static int mapcount(uint64_t entry)
{
	uint64_t word = 99;
	int fd = open("/proc/kpagecount", O_RDONLY);
	if (fd < 0 || pread(fd, &word, 8, (entry & ((1ULL << 55) - 1)) * 8) != 8)
		printf("kpagecount: %d\n", errno);
	close(fd);
	return (int)word;
}

static void link_of(const char *path)
{
	char name[4096];
	int n = readlink(path, name, sizeof name - 1);
	if (n < 0) {
		printf("%s: %d\n", path, errno);
		return;
	}
	name[n] = 0;
	char *digits = strpbrk(name, "[");
	if (digits)
		*digits = 0;
	printf("%s -> %s\n", path, name);
}

int main(int argc, char **argv)
{
	static const long by_default[5];
	int sig;

	setvbuf(stdout, 0, _IOLBF, 0);
	for (sig = 1; sig <= 64; sig++) /* whatever its parent ignores, the C library's own signals, too */
		syscall(SYS_rt_sigaction, sig, by_default, 0, 8);
	char number[32], path[64];
	struct stat s, t;
	sprintf(number, "%d", getpid());
	int n = readlink("/proc/self", path, sizeof path);
	path[n] = 0;
	printf("self %d\n", !strcmp(path, number));
	printf("exe %d %d\n", stat("/proc/self/exe", &s), S_ISREG(s.st_mode));
	lstat("/proc/self/exe", &s);
	printf("%o %ld\n", s.st_mode, (long)s.st_size);
	printf("Pid %d\n", atoi(field("/proc/self/status", "\nPid")) == getpid());
	printf("PPid %d\n", atoi(field("/proc/self/status", "PPid")) == getppid());
	printf("Uid %s\n", field("/proc/self/status", "Uid"));
	printf("Threads %s\n", field("/proc/self/status", "Threads"));
	printf("State %s\n", field("/proc/self/status", "State"));
	printf("SigIgn %s\n", field("/proc/self/status", "SigIgn"));
	int pid, ppid, pgrp, session;
	char comm[32], state;
	sscanf(slurp("/proc/self/stat"), "%d %s %c %d %d %d", &pid, comm, &state, &ppid, &pgrp, &session);
	printf("stat %d %s %c %d %d %d\n", pid == getpid(), comm, state, ppid == getppid(),
	       pgrp == getpgrp(), session == getsid(0));
	printf("fields %d\n", ({ int k = 1; for (char *p = slurp("/proc/self/stat"); *p; p++) k += *p == ' '; k; }));
	printf("comm %s", slurp("/proc/self/comm"));
	int fd = open("/proc/self/comm", O_WRONLY);
	printf("write %d\n", (int)write(fd, "other name that is long", 23));
	close(fd);
	printf("comm %s", slurp("/proc/self/comm"));
	printf("cmdline %d %d\n", !strcmp(slurp("/proc/self/cmdline"), argv[0]), argc);
	printf("maps %d %d\n", strstr(slurp("/proc/self/maps"), "[stack]") != 0, strstr(text, "[heap]") != 0);
	printf("limits %.38s\n", strstr(slurp("/proc/self/limits"), "Max core file size"));
	printf("statm %d\n", sscanf(slurp("/proc/self/statm"), "%d %d %d %d", &n, &n, &n, &n));

	int p[2], null = open("/dev/null", O_RDONLY);
	pipe(p);
	sprintf(path, "/proc/self/fd/%d", null);
	link_of(path);
	sprintf(path, "/proc/self/fd/%d", p[0]);
	link_of(path);
	printf("%d\n", lstat(path, &s));
	printf("%o\n", s.st_mode);
	sprintf(path, "/proc/self/fd/%d", p[1]);
	int again = open(path, O_WRONLY);
	printf("open again %d, write %d\n", again >= 0, (int)write(again, "x", 1));
	sprintf(path, "/proc/self/fdinfo/%d", null);
	slurp(path);
	printf("fdinfo %.5s %d\n", text, strstr(text, "flags:\t0") != 0);
	chdir("/tmp");
	link_of("/proc/self/cwd");
	link_of("/proc/self/root");
	int file = open("/tmp/gone.txt", O_CREAT | O_RDWR, 0600);
	write(file, "still here", 10);
	unlink("/tmp/gone.txt");
	sprintf(path, "/proc/self/fd/%d", file);
	link_of(path);
	slurp(path);
	printf("%s %d\n", text, stat(path, &s) == 0 && fstat(file, &t) == 0 && s.st_ino == t.st_ino);
	link_of("/proc/self/fd/77");
	printf("%d %d\n", open("/proc/self/fd/77", O_RDONLY), errno);
	printf("%d %d\n", open("/proc/self/nothing", O_RDONLY), errno);
	printf("%d %d\n", open("/proc/99999999", O_RDONLY), errno);
	printf("mkdir %d %d\n", mkdir("/proc/x", 0700), errno);
	printf("unlink %d %d\n", unlink("/proc/self/maps"), errno);
	printf("create %d %d\n", open("/proc/x", O_CREAT | O_WRONLY, 0600), errno);
	printf("chmod %d\n", chmod("/proc/self/maps", 0777) < 0);

	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int dots = 0, links = 0;
	while ((e = readdir(d)))
		if (e->d_name[0] == '.')
			dots++;
		else
			links += e->d_type == DT_LNK;
	closedir(d);
	printf("fd %d %d\n", dots, links);
	d = opendir("/proc/self/task");
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			printf("task %d\n", atoi(e->d_name) == getpid());
	closedir(d);

	/* copy-on-write, as the guest itself sees it */
	int pm = open("/proc/self/pagemap", O_RDONLY);
	char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("untouched %d\n", (int)(pagemap(pm, page) >> 63));
	*page = 1;
	uint64_t mine = pagemap(pm, page);
	printf("touched %d, users %d, exclusive %d\n", (int)(mine >> 63), mapcount(mine), (int)(mine >> 56 & 1));
	int go[2], back[2];
	pipe(go);
	pipe(back);
	pid_t child = fork();
	if (!child) {
		char c;
		int own = open("/proc/self/pagemap", O_RDONLY);
		uint64_t before = pagemap(own, page);
		printf("child: same frame %d, users %d\n", before == (mine & ~(1ULL << 56)), mapcount(before));
		fflush(stdout);
		write(back[1], "1", 1);
		read(go[0], &c, 1);
		*page = 2;
		uint64_t after = pagemap(own, page);
		printf("child wrote: same frame %d, users %d and %d\n",
		       (after ^ before) << 9 == 0, mapcount(before), mapcount(after));
		_exit(fflush(stdout));
	}
	char c;
	fflush(stdout);
	read(back[0], &c, 1);
	printf("parent: users %d, exclusive %d\n", mapcount(pagemap(pm, page)), (int)(pagemap(pm, page) >> 56 & 1));
	fflush(stdout);
	write(go[1], "1", 1);
	waitpid(child, 0, 0);
	printf("after: users %d, exclusive %d\n", mapcount(pagemap(pm, page)), (int)(pagemap(pm, page) >> 56 & 1));
	printf("odd %d %d\n", (int)pread(pm, text, 7, 0), errno);
	sprintf(path, "/proc/%d/stat", child);
	printf("gone %d %d\n", open(path, O_RDONLY), errno);
	return 0;
}
