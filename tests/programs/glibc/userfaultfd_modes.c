/* userfaultfd beyond missing pages: asking before a write, pages that are there but not mapped, moved and broken ones,
   and /dev/userfaultfd. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096
#define API 0xc018aa3f
#define REGISTER 0xc020aa00
#define UNREGISTER 0x8010aa01
#define COPY 0xc028aa03
#define ZEROPAGE 0xc020aa04
#define MOVE 0xc028aa05
#define WRITEPROTECT 0xc018aa06
#define CONTINUE 0xc020aa07
#define POISON 0xc020aa08

static int fd;
static char *area, *other;
static sigjmp_buf back;

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %s %d\n", what, r < 0 ? "no" : "yes", r < 0 ? e : 0);
	return r;
}

static int five(unsigned request, uint64_t a, uint64_t b, uint64_t c, uint64_t d, int64_t *answer)
{
	uint64_t words[5] = { a, b, c, d, 77 };
	int n = request == COPY || request == MOVE ? 4 : 3;
	int r = ioctl(fd, request, words);
	if (answer)
		*answer = words[n];
	return r;
}

static void *write_it(void *at)
{
	*(volatile char *)at = 'w';
	return 0;
}

static void *read_it(void *at)
{
	return (void *)(long)*(volatile char *)at;
}

/* the message that comes, and what it says */
static void message(void)
{
	struct {
		unsigned char event, r[7];
		uint64_t flags, address, rest;
	} m;
	struct pollfd p = { fd, POLLIN };
	poll(&p, 1, -1);
	read(fd, &m, sizeof m);
	printf("event %x flags %llx page %d\n", m.event, m.flags, (int)((m.address - (uint64_t)(uintptr_t)area) / PAGE));
}

static void handler(int sig, siginfo_t *info, void *context)
{
	printf("signal %d code %d page %d\n", sig, info->si_code, (int)(((char *)info->si_addr - area) / PAGE));
	siglongjmp(back, 1);
}

int main(void)
{
	uint64_t api[3] = { 0xaa, 1, 0 };
	int64_t got;
	pthread_t thread;
	struct sigaction sa = { 0 };
	setvbuf(stdout, 0, _IOLBF, 0);
	fd = syscall(374, O_CLOEXEC | O_NONBLOCK);
	say("api", ioctl(fd, API, api));
	printf("features %llx\n", api[1] & (1 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 16));
	area = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	other = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t reg[4] = { (uintptr_t)area, 8 * PAGE, 8, 0 };
	say("mode", ioctl(fd, REGISTER, reg));
	reg[2] = 4;
	say("minor of anonymous memory", ioctl(fd, REGISTER, reg));

	puts("-- asking before a write");
	memset(area, 'a', 2 * PAGE);
	say("not registered", five(WRITEPROTECT, (uintptr_t)area, PAGE, 1, 0, 0));
	reg[2] = 2;
	say("register", ioctl(fd, REGISTER, reg));
	printf("calls %llx\n", reg[3]);
	say("mode", five(WRITEPROTECT, (uintptr_t)area, PAGE, 4, 0, 0));
	say("both", five(WRITEPROTECT, (uintptr_t)area, PAGE, 3, 0, 0));
	say("protect", five(WRITEPROTECT, (uintptr_t)area, 3 * PAGE, 1, 0, 0));
	printf("readable %c\n", area[5]);
	say("a call's write", read(open("/dev/zero", O_RDONLY), other, 1));
	pthread_create(&thread, 0, write_it, area + PAGE);
	message();
	printf("not yet %c\n", area[PAGE]);
	mprotect(area, PAGE, PROT_READ);
	mprotect(area, PAGE, PROT_READ | PROT_WRITE);
	say("go on", five(WRITEPROTECT, (uintptr_t)area + PAGE, PAGE, 0, 0, 0));
	pthread_join(thread, 0);
	printf("written %c\n", area[PAGE]);
	pthread_create(&thread, 0, write_it, area);
	message();
	say("go on", five(WRITEPROTECT, (uintptr_t)area, PAGE, 0, 0, 0));
	pthread_join(thread, 0);
	printf("written %c\n", area[0]);
	area[2 * PAGE] = 'f';
	say("copy protected where none is asked", five(COPY, (uintptr_t)area + 3 * PAGE, (uintptr_t)other, PAGE, 2, &got));
	pthread_create(&thread, 0, write_it, area + 3 * PAGE);
	message();
	uint64_t range[2] = { (uintptr_t)area, 8 * PAGE };
	say("go on", five(WRITEPROTECT, (uintptr_t)area, 8 * PAGE, 0, 0, 0));
	pthread_join(thread, 0);
	five(WRITEPROTECT, (uintptr_t)area, PAGE, 1, 0, 0);
	say("unregister", ioctl(fd, UNREGISTER, range));
	write_it(area);
	printf("written %c\n", area[3 * PAGE]);

	puts("-- moving");
	memset(area, 'x', PAGE);
	madvise(area + PAGE, 7 * PAGE, MADV_DONTNEED);
	memset(other, 'o', PAGE);
	say("move where nothing is registered", five(MOVE, (uintptr_t)area + PAGE, (uintptr_t)other, PAGE, 0, &got));
	reg[2] = 1;
	say("register", ioctl(fd, REGISTER, reg));
	printf("calls %llx\n", reg[3]);
	say("mode", five(MOVE, (uintptr_t)area + PAGE, (uintptr_t)other, PAGE, 4, &got));
	say("not whole", five(MOVE, (uintptr_t)area + PAGE, (uintptr_t)other, 100, 0, &got));
	say("there is one", five(MOVE, (uintptr_t)area, (uintptr_t)other, PAGE, 0, &got));
	printf("%lld\n", got);
	pthread_create(&thread, 0, write_it, area + PAGE + 1);
	message();
	say("move", five(MOVE, (uintptr_t)area + PAGE, (uintptr_t)other, PAGE, 0, &got));
	printf("%lld\n", got);
	pthread_join(thread, 0);
	printf("%.3s, and there %d\n", area + PAGE, other[0]);
	say("a hole", five(MOVE, (uintptr_t)area + 2 * PAGE, (uintptr_t)other + 2 * PAGE, PAGE, 0, &got));
	say("a hole that may be", five(MOVE, (uintptr_t)area + 2 * PAGE, (uintptr_t)other + 2 * PAGE, PAGE, 2, &got));
	printf("%lld\n", got);
	memset(other + PAGE, 'p', PAGE);
	say("a part", five(MOVE, (uintptr_t)area + 3 * PAGE, (uintptr_t)other + PAGE, 2 * PAGE, 0, &got));
	printf("%lld %c\n", got, area[3 * PAGE]);
	mprotect(other, PAGE, PROT_READ);
	say("other rights", five(MOVE, (uintptr_t)area + 5 * PAGE, (uintptr_t)other, PAGE, 0, &got));
	mprotect(other, PAGE, PROT_READ | PROT_WRITE);

	puts("-- broken");
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGBUS, &sa, 0);
	say("mode", five(POISON, (uintptr_t)area + 5 * PAGE, PAGE, 2, 0, &got));
	say("there is one", five(POISON, (uintptr_t)area, PAGE, 0, 0, &got));
	say("poison", five(POISON, (uintptr_t)area + 5 * PAGE, 2 * PAGE, 0, 0, &got));
	printf("%lld\n", got);
	if (!sigsetjmp(back, 1))
		read_it(area + 5 * PAGE);
	if (!sigsetjmp(back, 1))
		write_it(area + 6 * PAGE);
	say("a call's access", write(open("/dev/null", O_WRONLY), area + 5 * PAGE, 1));
	say("a call's access", pipe((int *)(area + 5 * PAGE)));
	say("mended", five(COPY, (uintptr_t)area + 5 * PAGE, (uintptr_t)other + 3 * PAGE, PAGE, 0, &got));
	printf("%d\n", area[5 * PAGE]);
	ioctl(fd, UNREGISTER, range);
	if (!sigsetjmp(back, 1))
		write_it(area + 6 * PAGE);
	madvise(area + 6 * PAGE, PAGE, MADV_DONTNEED);
	write_it(area + 6 * PAGE);
	printf("%c\n", area[6 * PAGE]);

	puts("-- there but not mapped");
	int mem = memfd_create("pages", MFD_CLOEXEC);
	ftruncate(mem, 4 * PAGE);
	pwrite(mem, "A", 1, 0);
	char *shared = area = mmap(0, 4 * PAGE, PROT_READ, MAP_SHARED, mem, 0);
	reg[0] = (uintptr_t)shared;
	reg[1] = 4 * PAGE;
	reg[2] = 5;
	say("register", ioctl(fd, REGISTER, reg));
	printf("calls %llx\n", reg[3]);
	void *found;
	pthread_create(&thread, 0, read_it, shared);
	message();
	pwrite(mem, "Z", 1, 0);
	say("continue with a hole", five(CONTINUE, (uintptr_t)shared + PAGE, PAGE, 0, 0, &got));
	printf("%lld\n", got);
	say("continue", five(CONTINUE, (uintptr_t)shared, PAGE, 0, 0, &got));
	printf("%lld\n", got);
	pthread_join(thread, &found);
	printf("%c\n", (int)(long)found);
	say("again", five(CONTINUE, (uintptr_t)shared, PAGE, 0, 0, &got));
	pthread_create(&thread, 0, read_it, shared + PAGE);
	message();
	say("copy", five(COPY, (uintptr_t)shared + PAGE, (uintptr_t)other + PAGE, PAGE, 0, &got));
	pthread_join(thread, &found);
	pread(mem, other, 1, PAGE);
	printf("%d %d\n", (int)(long)found, other[0]);
	say("continue of private memory", five(CONTINUE, (uintptr_t)other, PAGE, 0, 0, &got));
	close(fd);

	puts("-- the device");
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	say("open", dev);
	say("another request", ioctl(dev, 0xaa01, 0));
	say("flags", ioctl(dev, 0xaa00, 0x10));
	fd = say("new", ioctl(dev, 0xaa00, O_CLOEXEC | O_NONBLOCK)) < 0 ? -1 : dev;
	return 0;
}
