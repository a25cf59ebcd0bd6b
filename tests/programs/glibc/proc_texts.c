/* What files of /proc say, line by line, where it is not a number of the machine; and what is written into them. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[1 << 16];

static int slurp(const char *path)
{
	int fd = open(path, O_RDONLY), n, got = 0;
	if (fd < 0)
		return printf("%s: %d\n", path, errno), text[0] = 0;
	while ((n = read(fd, text + got, sizeof text - 1 - got)) > 0)
		got += n;
	text[got] = 0;
	close(fd);
	return got;
}
static void store(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY), n = write(fd, what, strlen(what));
	printf("%s <- %s: %d %d\n", path, what, n, n < 0 ? errno : 0);
	close(fd);
}
static void uuids(void)
{
	char first[64];
	int n = slurp("/proc/sys/kernel/random/uuid"), same;
	memcpy(first, text, sizeof first);
	slurp("/proc/sys/kernel/random/uuid");
	same = !memcmp(first, text, n);
	for (int i = 0; i < n; i++)
		if (isxdigit(text[i]) && i != 14)
			text[i] = i == 19 && strchr("89ab", text[i]) ? 'v' : 'x';
	printf("%d %d %s", n, same, text);
}
static int has(const char *name)
{
	char line[100];
	snprintf(line, sizeof line, "\n%s", name);
	return !strncmp(text, name, strlen(name)) || strstr(text, line);
}
static void lines(const char *path, const char *const *names)
{
	slurp(path);
	for (; *names; names++)
		printf("%s: %s %d\n", path, *names, has(*names));
}
/* Digits become one 0, so that only the form is left. */
static void shape(const char *path, int count)
{
	slurp(path);
	printf("%s: ", path);
	for (char *at = text; *at && count; at++) {
		if (isdigit(*at) && at > text && isdigit(at[-1]))
			continue;
		putchar(isdigit(*at) ? '0' : *at);
		count -= *at == '\n';
	}
}
/* The line with an object's number in the second column, without what differs by machine. */
static void object(const char *path, int id, int columns)
{
	slurp(path);
	char *line = strtok(text, "\n");
	if (columns != 4) /* sizes of shared memory are wider on 64 bits */
		printf("%s\n", line);
	while ((line = strtok(0, "\n"))) {
		long words[20] = {0};
		int n = 0, used;
		for (char *at = line; n < 20 && sscanf(at, "%ld%n", words + n, &used) == 1; at += used)
			n++;
		if (words[1] != id)
			continue;
		printf("%d:", n);
		for (int c = 0; c < columns; c++)
			printf(" %ld", c == 1 ? 0 : words[c]);
		printf("\n");
	}
}

static void system_wide(void)
{
	lines("/proc/cpuinfo", (const char *[]){"processor\t: 0", "vendor_id\t: ", "cpu family\t: ", "model\t\t: ",
		"model name\t: ", "stepping\t: ", "cpu MHz\t\t: ", "fpu\t\t: yes", "wp\t\t: yes", "flags\t\t: fpu", "bogomips\t: ", 0});
	lines("/proc/stat", (const char *[]){"cpu  ", "cpu0 ", "intr ", "ctxt ", "btime ", "processes ", "procs_running ",
		"procs_blocked 0", 0});
	shape("/proc/uptime", 1), shape("/proc/loadavg", 1);
	slurp("/proc/version"), printf("%.14s\n", text);
	lines("/proc/meminfo", (const char *[]){"MemTotal:       ", "MemFree:        ", "MemAvailable:   ", "Buffers:        ",
		"Cached:         ", "SwapCached:     ", "Active:         ", "AnonPages:      ", "Mapped:         ", "Shmem:          ",
		"Slab:           ", "KernelStack:    ", "PageTables:     ", "CommitLimit:    ", "Committed_AS:   ", 0});
	struct stat st;
	lseek(open("/proc/meminfo", O_RDONLY), 5, SEEK_SET);
	int fd = open("/proc/version", O_RDONLY);
	printf("%lld", (long long)lseek(fd, 6, SEEK_SET));
	printf(" %zd %.7s", read(fd, text, 7), text);
	printf(" %lld", (long long)lseek(fd, -3, SEEK_CUR));
	printf(" %lld", (long long)lseek(fd, -30, SEEK_CUR));
	printf(" %d\n", errno);
}

static void objects(void)
{
	int m = msgget(0x7123, IPC_CREAT | 0640), s = semget(0x7124, 3, IPC_CREAT | 0604), h = shmget(0x7125, 9000, IPC_CREAT | 0460);
	struct { long type; char t[5]; } one = {1, "text"};
	msgsnd(m, &one, 5, 0);
	object("/proc/sysvipc/msg", m, 5);
	object("/proc/sysvipc/sem", s, 8);
	void *at = shmat(h, 0, SHM_RDONLY);
	object("/proc/sysvipc/shm", h, 4);
	shmdt(at), msgctl(m, IPC_RMID, 0), semctl(s, 0, IPC_RMID), shmctl(h, IPC_RMID, 0);
}

static void mine(char **envp)
{
	char path[60];
	int n = slurp("/proc/self/environ"), size = 0;
	for (int i = 0; envp[i]; i++)
		size += strlen(envp[i]) + 1;
	printf("environ: %d %d\n", n == size, !envp[0] || !strcmp(text, envp[0]));
	n = slurp("/proc/self/auxv");
	uint32_t *word = (uint32_t *)text, *end = (uint32_t *)(text + n);
	printf("auxv: %d", end[-2]);
	for (; word < end; word += 2)
		if (word[0] == 6 || word[0] == 4 || word[0] == 17 || word[0] == 23)
			printf(" %d=%d", word[0], word[1]);
	printf("\n");
	shape("/proc/self/oom_score_adj", 1);
	store("/proc/self/oom_score_adj", "500\n"), shape("/proc/self/oom_score_adj", 1);
	store("/proc/self/oom_score_adj", "1000"), store("/proc/self/oom_score_adj", "1001");
	store("/proc/self/oom_score_adj", "-1001");
	store("/proc/self/oom_score_adj", "x"), store("/proc/self/oom_score_adj", "0");
	lines("/proc/self/io", (const char *[]){"rchar: ", "wchar: ", "syscr: ", "syscw: ", "read_bytes: ", "write_bytes: ",
		"cancelled_write_bytes: ", 0});
	slurp("/proc/self/sched"), printf("sched: %s\n", strchr(text, '(') ? "(" : "none");
	slurp("/proc/self/mounts"), printf("mounts: %d %d\n", strstr(text, " /proc proc rw") != 0, strstr(text, " 0 0\n") != 0);
	slurp("/proc/self/mountinfo"), printf("mountinfo: %d\n", strstr(text, " - proc proc ") != 0);
	char *page = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 5; i++)
		page[4096 * i] = 1;
	mprotect(page + 8 * 4096 - 4096, 4096, PROT_NONE);
	slurp("/proc/self/smaps");
	snprintf(path, sizeof path, "%08x-%08x rw-p", (unsigned)page, (unsigned)page + 7 * 4096);
	char *area = strstr(text, path), *next;
	const char *names[] = {"Size:", "Rss:", "Pss:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:", "Private_Dirty:",
		"Anonymous:", "Swap:", "KernelPageSize:", "MMUPageSize:", "Locked:"};
	for (unsigned i = 0; area && i < sizeof names / sizeof *names; i++)
		if ((next = strstr(area, names[i])))
			printf("%s %d kB\n", names[i], atoi(next + strlen(names[i])));
	fflush(stdout);
	if (!fork()) {
		slurp("/proc/self/smaps");
		area = strstr(text, path);
		for (unsigned i = 0; area && i < 8; i++)
			if ((next = strstr(area, names[i])))
				printf("child %s %d kB\n", names[i], atoi(next + strlen(names[i])));
		fflush(stdout), _exit(0);
	}
	fflush(stdout), wait(0);
	lines("/proc/self/smaps_rollup", (const char *[]){"Rss: ", "Pss: ", "Shared_Clean: ", "Private_Dirty: ", "Anonymous: ", 0});
	int fd = open("/proc/self/mem", O_RDWR);
	strcpy(page, "in memory"), memset(text, 0, 20);
	printf("mem: %zd %s\n", pread(fd, text, 9, (unsigned)page), text);
	printf("mem, one byte: %zd %c\n", pread(fd, text, 1, (unsigned)page + 3), text[0]);
	printf("mem, a page and one: %zd %zd\n", pread(fd, text, 4097, (unsigned)page), pread(fd, text, 4097, (unsigned)page + 4095));
	struct iovec to = {text, 1}, from = {page + 1, 1};
	printf("process_vm: %zd %c", process_vm_readv(getpid(), &to, 1, &from, 1, 0), text[0]);
	printf(" %zd %c", process_vm_writev(getpid(), &to, 1, &from, 1, 0), page[1]);
	to.iov_len = from.iov_len = 4097;
	printf(" %zd", process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	from.iov_base = page + 7 * 4096 - 1;
	printf(" %zd", process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	from.iov_base = page + 7 * 4096;
	printf(" %zd %d\n", process_vm_readv(getpid(), &to, 1, &from, 1, 0), errno);
	printf("mem, hole: %zd %d\n", pread(fd, text, 9, 0x1000), errno);
	printf("mem, border: %zd\n", pread(fd, text, 20000, (unsigned)page + 8 * 4096 - 8192));
	printf("mem, write: %zd %s\n", pwrite(fd, "IN", 2, (unsigned)page), page);
	fd = open("/proc/self/syscall", O_RDONLY);
	int n_read = read(fd, text, 300), number;
	unsigned a[8] = {0};
	text[n_read] = 0;
	int got = sscanf(text, "%d %x %x %x %x %x %x %x %x", &number, a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7);
	printf("syscall: %d, %d %d %d %d\n", got, number, a[0] == fd, a[1] == (unsigned)text, a[2]);
	int pid = fork();
	if (!pid)
		pause(), _exit(0);
	snprintf(path, sizeof path, "/proc/%d/syscall", pid);
	for (int tries = 0; tries < 200 && (slurp(path), strncmp(text, "29 ", 3)); tries++)
		usleep(10000);
	printf("%.3s\n", text);
	kill(pid, 9), wait(0);
}

int main(int argc, char **argv, char **envp)
{
	uuids();
	system_wide();
	objects();
	mine(envp);
	return 0;
}
