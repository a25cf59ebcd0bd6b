/* Calls that tell or order a little: sysinfo, getcpu, sysfs, ustat, kcmp, membarrier, mlock2, adjtimex, attributes
 * of scheduling, file handles, remap_file_pages. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t min, max;
};
static void sched(void)
{
	struct attr a = {sizeof a, SCHED_BATCH, 0, 5}, b;
	say("setattr", syscall(SYS_sched_setattr, 0, &a, 0));
	memset(&b, 0x55, sizeof b);
	say("getattr", syscall(SYS_sched_getattr, 0, &b, sizeof b, 0));
	printf("%u %u %d %u\n", b.size, b.policy, b.nice, b.priority);
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
	memset(&b, 0x55, sizeof b);
	say("getattr, old", syscall(SYS_sched_getattr, 0, &b, 48, 0));
	printf("%u %x\n", b.size, b.min);
	say("getattr, short", syscall(SYS_sched_getattr, 0, &b, 47, 0));
	say("getattr, flag", syscall(SYS_sched_getattr, 0, &b, 48, 1));
	say("getattr, nobody", syscall(SYS_sched_getattr, 99999, &b, 48, 0));
	a.size = 20;
	say("small", syscall(SYS_sched_setattr, 0, &a, 0));
	printf("%u\n", a.size);
	a.policy = SCHED_OTHER, a.priority = 1;
	say("priority", syscall(SYS_sched_setattr, 0, &a, 0));
	a.priority = 0, a.flags = 0x100;
	say("flag", syscall(SYS_sched_setattr, 0, &a, 0));
	a.flags = 1, a.nice = 40;
	say("reset on fork", syscall(SYS_sched_setattr, 0, &a, 0));
	say("policy", sched_getscheduler(0));
	printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
	a.flags = 0x18, a.policy = 77;
	say("keep both", syscall(SYS_sched_setattr, 0, &a, 0));
	a.flags = 0, a.policy = 77;
	say("no policy", syscall(SYS_sched_setattr, 0, &a, 0));
	a.policy = SCHED_FIFO, a.priority = 3;
	say("fifo", syscall(SYS_sched_setattr, 0, &a, 0));
	say("getattr", syscall(SYS_sched_getattr, 0, &b, sizeof b, 0));
	printf("%u %d %u %d\n", b.policy, b.nice, b.priority, (int)b.flags);
	a.policy = SCHED_OTHER, a.priority = a.nice = 0;
	say("back", syscall(SYS_sched_setattr, 0, &a, 0));
}
static long kcmp(int a, int b, int type, long x, long y) { return syscall(SYS_kcmp, a, b, type, x, y); }
static void compare(void)
{
	int fd = open("/dev/null", O_RDONLY), twin = dup(fd), other = open("/dev/null", O_RDONLY);
	pid_t me = getpid();
	say("file, same", kcmp(me, me, 0, fd, twin));
	long forth = kcmp(me, me, 0, fd, other), back = kcmp(me, me, 0, other, fd);
	printf("file, others: %ld\n", forth + back);
	say("no file", kcmp(me, me, 0, fd, 99));
	say("vm", kcmp(me, me, 1, 0, 0));
	say("type", kcmp(me, me, 8, 0, 0));
	say("nobody", kcmp(me, 99999, 0, fd, fd));
	int ep = epoll_create1(0), p[2];
	pipe(p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &(struct epoll_event){.events = EPOLLIN});
	uint32_t slot[3] = {ep, p[0], 0};
	say("epoll", kcmp(me, me, 7, p[0], (long)slot));
	slot[2] = 1;
	say("epoll, next", kcmp(me, me, 7, p[0], (long)slot));
	slot[0] = fd, slot[2] = 0;
	say("no epoll", kcmp(me, me, 7, p[0], (long)slot));
	pid_t child = fork();
	if (!child) {
		printf("child: %ld %ld %ld %ld\n", kcmp(me, getpid(), 0, fd, fd), kcmp(me, getpid(), 6, 0, 0),
		       !!kcmp(me, getpid(), 1, 0, 0), !!kcmp(me, getpid(), 2, 0, 0));
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, 0, 0);
}
static void clocks(void)
{
	struct timex t = {0};
	int state = adjtimex(&t);
	printf("adjtimex %d %ld %ld\n", state >= 0, t.tick, t.tolerance);
	long esterror = t.esterror;
	t.modes = 0x8000;
	say("adjtime without offset", adjtimex(&t));
	t.modes = ADJ_TICK, t.tick = 8000;
	say("tick", adjtimex(&t));
	t.modes = ADJ_SETOFFSET, t.time.tv_usec = 1000000;
	say("step", adjtimex(&t));
	t.modes = 0;
	say("monotonic", clock_adjtime(CLOCK_MONOTONIC, &t));
	say("no clock", clock_adjtime(33, &t));
	say("fault", syscall(SYS_adjtimex, 1));
	if (!fork()) {
		setuid(65534);
		t.modes = ADJ_ESTERROR, t.esterror = esterror;
		say("others", adjtimex(&t));
		t.modes = 0;
		printf("reading: %d\n", adjtimex(&t) >= 0);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
}
static void memory(void)
{
	unsigned char present[4];
	char *m = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	say("mlock2 flag", syscall(SYS_mlock2, m, 16384, 2));
	say("mlock2 hole", syscall(SYS_mlock2, 0x10000, 4096, 1));
	char *q = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("mlock2", syscall(SYS_mlock2, q, 16384, 1));
	q[4096] = 1;
	mincore(q, 16384, present);
	printf("%d%d%d%d\n", present[0] & 1, present[1] & 1, present[2] & 1, present[3] & 1);
	say("mlock", syscall(SYS_mlock2, q, 8192, 0));
	mincore(q, 16384, present);
	printf("%d%d%d%d\n", present[0] & 1, present[1] & 1, present[2] & 1, present[3] & 1);
	say("mlockall, only on fault", mlockall(4));
	say("mlockall", mlockall(MCL_FUTURE | 4));
	q = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mincore(q, 8192, present);
	printf("%d%d\n", present[0] & 1, present[1] & 1);
	munlockall();
	for (int n = 0; n < 4; n++)
		m[n * 4096] = 'a' + n;
	say("remap", remap_file_pages(m, 4096, 0, 3, 0));
	say("remap", remap_file_pages(m + 8192, 8192, 0, 0, 0));
	printf("%c%c%c%c\n", m[0], m[4096], m[8192], m[12288]);
	m[8192] = 'z';
	say("remap", remap_file_pages(m + 4096, 4096, 0, 0, 0));
	printf("%c%c%c%c\n", m[0], m[4096], m[8192], m[12288]);
	say("remap, prot", remap_file_pages(m, 4096, PROT_READ, 3, 0));
	say("remap, private", remap_file_pages(q, 4096, 0, 0, 0));
	say("remap, nothing", remap_file_pages(m, 0, 0, 0, 0));
}
struct handle {
	uint32_t bytes;
	int32_t type;
	unsigned char data[128];
};
static void handles(void)
{
	char dir[] = "/dev/shm/handle.XXXXXX";
	mkdtemp(dir), chdir(dir);
	int fd = open("f", O_CREAT | O_RDWR, 0644), at = open(".", O_RDONLY), mnt = -1;
	write(fd, "contents", 8);
	struct handle h = {0};
	say("no room", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mnt, 0));
	printf("%u\n", h.bytes);
	say("handle", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mnt, 0));
	printf("%u %d %d\n", h.bytes, h.type, mnt > 0);
	struct handle again = {128};
	say("by descriptor", syscall(SYS_name_to_handle_at, fd, "", &again, &mnt, AT_EMPTY_PATH));
	printf("same %d\n", !memcmp(&again, &h, 20));
	say("flag", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &h, &mnt, 0x4000));
	again.bytes = 129;
	say("too big", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", &again, &mnt, 0));
	again.bytes = 128;
	say("proc", syscall(SYS_name_to_handle_at, AT_FDCWD, "/proc/self/stat", &again, &mnt, 0));
	rename("f", "g");
	int by = syscall(SYS_open_by_handle_at, at, &h, O_RDONLY);
	char b[20] = "";
	pread(by, b, 8, 0);
	printf("%s\n", b);
	say("bad descriptor", syscall(SYS_open_by_handle_at, -1, &h, O_RDONLY));
	struct handle wrong = h;
	wrong.bytes = 0;
	say("no bytes", syscall(SYS_open_by_handle_at, at, &wrong, O_RDONLY));
	wrong = h, wrong.data[4] ^= 0x55, wrong.data[6] ^= 0x11;
	say("stale", syscall(SYS_open_by_handle_at, at, &wrong, O_RDONLY));
	unlink("g"), rmdir(dir);
}

int main(void)
{
	struct sysinfo info;
	setvbuf(stdout, 0, _IOLBF, 0);
	say("sysinfo", sysinfo(&info));
	printf("%d %d %d\n", info.uptime > 0, info.totalram > info.freeram && info.freeram, info.procs > 0);
	say("sysinfo fault", syscall(SYS_sysinfo, 1));
	unsigned cpu = 9, node = 9;
	say("getcpu", syscall(SYS_getcpu, &cpu, &node, 0));
	printf("%u\n", node);
	say("getcpu fault", syscall(SYS_getcpu, 1, 0, 0));
	char name[100] = "", wrong[] = "nosuchfs";
	int count = syscall(SYS_sysfs, 3), n = syscall(SYS_sysfs, 1, "proc");
	printf("sysfs %d %d\n", count > 3, n >= 0 && n < count);
	say("sysfs name", syscall(SYS_sysfs, 2, n, name));
	puts(name);
	say("sysfs none", syscall(SYS_sysfs, 1, wrong));
	say("sysfs beyond", syscall(SYS_sysfs, 2, 1000, name));
	say("sysfs option", syscall(SYS_sysfs, 4));
	say("sysfs fault", syscall(SYS_sysfs, 1, 1));
	say("ustat", syscall(SYS_ustat, 0xfff, name));
	struct stat st;
	stat("/dev/shm", &st);
	say("ustat", syscall(SYS_ustat, (int)st.st_dev, name));
	say("ustat fault", syscall(SYS_ustat, (int)st.st_dev, 1));
	say("membarrier", syscall(SYS_membarrier, 0, 0) & 0xff);
	say("membarrier flag", syscall(SYS_membarrier, 0, 1));
	say("membarrier global", syscall(SYS_membarrier, 1, 0));
	say("membarrier private", syscall(SYS_membarrier, 8, 0));
	say("membarrier register", syscall(SYS_membarrier, 16, 0));
	say("membarrier private", syscall(SYS_membarrier, 8, 0));
	say("membarrier unknown", syscall(SYS_membarrier, 3, 0));
	say("membarrier registered", syscall(SYS_membarrier, 512, 0));
	say("arch_prctl", syscall(SYS_arch_prctl, 0x1011, 0));
	say("arch_prctl", syscall(SYS_arch_prctl, 0x1002, 0));
	sched(), compare(), clocks(), memory(), handles();
	if (!fork()) {
		setuid(65534);
		say("vhangup", vhangup());
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	return 0;
}
