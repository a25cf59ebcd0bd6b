/* Areas that are sealed, pages that are guarded, memory that never becomes code; advice to others; keys. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define CALL(...) tell(#__VA_ARGS__, (long)(__VA_ARGS__))
static char *at;
static sigjmp_buf back;

static long tell(const char *what, long r)
{
	int e = errno;
	printf("  %s: ", what);
	if (r == -1)
		printf("fails %d\n", e);
	else if (at && r >= (long)at && r < (long)at + 64 * P)
		printf("at + %lx\n", r - (long)at);
	else
		printf("%ld\n", r);
	return r;
}

static void on_fault(int sig, siginfo_t *info, void *c)
{
	siglongjmp(back, sig * 16 + info->si_code);
}

static int touch(char *p, int write)
{
	int hit = sigsetjmp(back, 1);
	if (hit)
		return hit;
	if (write)
		*(volatile char *)p = 'w';
	return *(volatile char *)p;
}

static int seal(char *p, size_t length, unsigned flags)
{
	return syscall(462, p, length, flags);
}

static void sealed(void)
{
	puts("sealed");
	at = mmap(0, 32 * P, 3, ANON, -1, 0);
	CALL(seal(at + 1, P, 0));
	CALL(seal(at, P, 1));
	CALL(seal(at, 0, 0));
	munmap(at + 4 * P, P);
	CALL(seal(at, 6 * P, 0));
	CALL(mprotect(at, P, PROT_READ));
	CALL(mprotect(at, P, PROT_READ | PROT_WRITE));
	CALL(seal(at + P, P + 1, 0));
	CALL(seal(at + P, P, 0));
	CALL(mprotect(at, 4 * P, PROT_READ));
	CALL(touch(at, 1));
	CALL(touch(at + P, 1));
	CALL(touch(at + 3 * P, 1));
	CALL(mprotect(at + P, P, 3));
	CALL(munmap(at, 2 * P));
	CALL(touch(at, 0));
	CALL(munmap(at + 3 * P, P));
	CALL(mmap(at + 2 * P, P, 3, ANON | MAP_FIXED, -1, 0));
	CALL(mremap(at + P, P, 2 * P, MREMAP_MAYMOVE));
	CALL(mremap(at + P, 2 * P, P, 0));
	CALL(mremap(at + P, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, at + 16 * P));
	CALL(mremap(at + 8 * P, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, at + 2 * P));
	CALL(madvise(at + P, P, MADV_DONTNEED));
	CALL(touch(at + P, 0));
	CALL(mprotect(at + 10 * P, P, PROT_READ));
	CALL(seal(at + 10 * P, P, 0));
	CALL(madvise(at + 10 * P, P, MADV_DONTNEED));
	CALL(madvise(at + 10 * P, P, MADV_DONTFORK));
	CALL(madvise(at + 10 * P, P, MADV_DOFORK));
	CALL(madvise(at + 10 * P, P, 102));
	CALL(madvise(at + 9 * P, 2 * P, MADV_FREE));
	char *end = sbrk(P);
	end = (char *)((long)end + P - 1 & -P);
	brk(end + 2 * P);
	CALL(seal(end, P, 0));
	CALL(brk(end));
	fflush(stdout);
	if (fork() == 0) {
		CALL(munmap(at + P, P));
		exit(0);
	}
	wait(0);
}

static void guarded(void)
{
	int status, fd = memfd_create("guarded", 0);
	unsigned long long entry;
	puts("guarded");
	at = mmap(0, 32 * P, 3, ANON, -1, 0);
	memset(at, 'x', 8 * P);
	CALL(madvise(at + 1, P, 102));
	CALL(madvise(at + P, 2 * P, 102));
	CALL(touch(at, 0));
	CALL(touch(at + P, 0));
	CALL(touch(at + 2 * P, 1));
	CALL(touch(at + 3 * P, 0));
	CALL(write(fd, at + P, 1));
	CALL(read(open("/dev/zero", O_RDONLY), at + 2 * P, 4));
	CALL(madvise(at, 4 * P, MADV_POPULATE_READ));
	CALL(madvise(at + P, P, MADV_DONTNEED));
	CALL(touch(at + P, 0));
	CALL(mprotect(at + P, P, PROT_READ));
	CALL(touch(at + P, 0));
	CALL(mprotect(at + P, P, 3));
	fflush(stdout);
	if (fork() == 0) {
		CALL(touch(at + P, 1));
		CALL(madvise(at, 8 * P, 103));
		CALL(touch(at + P, 1));
		exit(0);
	}
	wait(0);
	CALL(touch(at + P, 0));
	CALL(mremap(at, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, at + 16 * P));
	CALL(touch(at + 16 * P, 0));
	CALL(touch(at + 17 * P, 0));
	CALL(mmap(at + P, P, 3, ANON | MAP_FIXED, -1, 0));
	CALL(touch(at + P, 0));
	CALL(munmap(at + 2 * P, P));
	CALL(mmap(at + 2 * P, P, 3, ANON | MAP_FIXED, -1, 0));
	CALL(touch(at + 2 * P, 1));
	CALL(madvise(at + 17 * P, P, 103));
	CALL(touch(at + 17 * P, 0));
	mlock(at + 20 * P, P);
	CALL(madvise(at + 20 * P, P, 102));
	CALL(madvise(at + 20 * P, P, 103));
	ftruncate(fd, 4 * P);
	char *shared = mmap(at + 24 * P, 4 * P, 3, MAP_SHARED | MAP_FIXED, fd, 0);
	shared[P] = 's';
	CALL(madvise(shared + P, P, 102));
	CALL(touch(shared + P, 0));
	CALL(pread(fd, &entry, 1, P));
	CALL(madvise(shared + P, P, 103));
	CALL(touch(shared + P, 0));
	madvise(shared, P, 102);
	int map = open("/proc/self/pagemap", O_RDONLY);
	for (int page = 0; page < 2; page++) {
		pread64(map, &entry, 8, ((unsigned long)shared / P + page) * 8ll);
		printf("  %llu\n", entry >> 58 & 1);
	}
	madvise(at + 4 * P, P, 102);
	madvise(at + 4 * P, P, MADV_WIPEONFORK);
	fflush(stdout);
	if (fork() == 0) {
		CALL(touch(at + 4 * P, 0));
		exit(0);
	}
	wait(&status);
}

static void code(void)
{
	puts("no new code");
	at = mmap(0, 8 * P, 3, ANON, -1, 0);
	mprotect(at + P, P, PROT_READ | PROT_EXEC);
	CALL(prctl(66, 0, 0, 0, 0));
	CALL(prctl(66, 1, 0, 0, 0));
	CALL(prctl(65, 2, 0, 0, 0));
	CALL(prctl(65, 4, 0, 0, 0));
	CALL(prctl(65, 1, 1, 0, 0));
	CALL(prctl(65, 0, 0, 0, 0));
	fflush(stdout);
	if (fork() == 0) {
		CALL(prctl(65, 3, 0, 0, 0));
		fflush(stdout);
		if (fork() == 0) {
			CALL(prctl(66, 0, 0, 0, 0));
			CALL(mprotect(at + P, P, 7));
			exit(0);
		}
		wait(0);
		exit(0);
	}
	wait(0);
	CALL(prctl(65, 1, 0, 0, 0));
	CALL(prctl(65, 0, 0, 0, 0));
	CALL(prctl(66, 0, 0, 0, 0));
	CALL(mprotect(at, P, PROT_READ | PROT_EXEC));
	CALL(mprotect(at + P, P, PROT_EXEC));
	CALL(mprotect(at + P, P, 7));
	CALL(mprotect(at + P, P, PROT_READ));
	CALL(mprotect(at + P, P, PROT_READ | PROT_EXEC));
	CALL(mmap(0, P, 7, ANON, -1, 0));
	CALL(mmap(at + 2 * P, P, PROT_READ | PROT_EXEC, ANON | MAP_FIXED, -1, 0));
	fflush(stdout);
	if (fork() == 0) {
		CALL(prctl(66, 0, 0, 0, 0));
		exit(0);
	}
	wait(0);
}

static void others(void)
{
	int hold[2], status;
	char c;
	puts("others");
	at = mmap(0, 8 * P, 3, ANON, -1, 0);
	memset(at, 'o', 8 * P);
	struct iovec v[] = {{at, P}, {at + 2 * P, 2 * P}, {at + 1, P}};
	int self = syscall(SYS_pidfd_open, getpid(), 0);
	CALL(syscall(440, self, v, 2, MADV_DONTNEED, 1));
	CALL(syscall(440, self, v, 2, MADV_DONTNEED, 0));
	CALL(touch(at + 3 * P, 0));
	CALL(touch(at + P, 0));
	CALL(syscall(440, self, v, 3, MADV_COLD, 0));
	CALL(syscall(440, self, v + 2, 1, MADV_COLD, 0));
	CALL(syscall(440, self, v, 2000, MADV_COLD, 0));
	CALL(syscall(440, self, 8, 1, MADV_COLD, 0));
	CALL(syscall(440, 99, v, 1, MADV_COLD, 0));
	CALL(syscall(440, 0, v, 1, MADV_COLD, 0));
	CALL(syscall(448, self, 0));
	CALL(syscall(448, self, 1));
	CALL(syscall(448, 99, 0));
	pipe(hold);
	int pid = fork();
	if (pid == 0) {
		read(hold[0], &c, 1);
		_exit(0);
	}
	int fd = syscall(SYS_pidfd_open, pid, 0);
	CALL(syscall(440, fd, v, 2, MADV_COLD, 0));
	CALL(syscall(440, fd, v, 2, MADV_DONTNEED, 0));
	CALL(syscall(448, fd, 0));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	CALL(syscall(440, fd, v, 2, MADV_COLD, 0));
	CALL(syscall(448, fd, 0));
	CALL(syscall(381, 1, 0));
	CALL(syscall(381, 0, 4));
	CALL(syscall(382, 15));
	CALL(syscall(380, at, P, PROT_READ, -1));
	CALL(syscall(380, at, P, PROT_READ, 15));
	at = 0;
	CALL(mmap(0, P, 3, ANON | MAP_FIXED, -1, 0));
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	sealed();
	guarded();
	others();
	code();
	return 0;
}
