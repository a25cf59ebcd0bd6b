/* write, truncate and read of a file while it is mapped, shared and private: every byte at every step. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned sum(const unsigned char *at, int n)
{
	unsigned s = 1;
	while (n--)
		s = s * 31 + *at++;
	return s;
}
static unsigned char *shared, *private, *between;
static unsigned char copy[20000];
static int fd;

static void say(const char *what)
{
	struct stat st;
	fstat(fd, &st);
	int n = pread(fd, copy, sizeof copy, 0);
	printf("%s: %lld %d %08x", what, (long long)st.st_size, n, sum(copy, n));
	int pages = (n + 4095) / 4096;
	printf(" %08x", sum(between, 8 * 4096));
	printf(" %08x %08x\n", sum(shared, pages * 4096), sum(private, pages * 4096));
	fflush(stdout);
}
static sigjmp_buf back;
static void on_bus(int signal)
{
	siglongjmp(back, signal);
}
static int touch(volatile unsigned char *at)
{
	int signal = sigsetjmp(back, 1);
	return signal ? -signal : *at;
}

int main(void)
{
	char path[] = "/dev/shm/mapped.XXXXXX";
	fd = mkstemp(path);
	for (int i = 0; i < 4 * 4096; i++)
		copy[i] = i * 7 + i / 4096;
	write(fd, copy, 4 * 4096);
	shared = mmap(0, 5 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(0, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	between = mmap(0, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 3; i >= 0; i--) /* no frame of the file lies behind the one before */
		touch(shared + i * 4096), between[i * 4096] = i, between[(i + 4) * 4096] = i;
	say("mapped");
	shared[0x1000 + 50] = 'm', shared[0x1fff] = 'n', shared[0x2000] = 'o', private[0x3005] = 'p';
	say("stored");
	pwrite(fd, "abc", 3, 0x1000 + 20), say("inside");
	shared[5] = 'q', shared[0x2003] = 'r';
	pwrite(fd, "defghi", 6, 0x1000 - 3), say("over a border");
	shared[0x1800] = 's';
	pwrite(fd, copy, 0x2001, 0xfff), say("over three pages");
	pwrite(fd, "j", 1, 0x2fff), pwrite(fd, "k", 1, 0x3000), say("single bytes");
	lseek(fd, 0x3ff0, SEEK_SET), write(fd, "longer than what is left", 24), say("and longer");
	shared[0x4000 + 20] = 't', say("behind the end");
	ftruncate(fd, 0x1800), say("shorter");
	signal(SIGBUS, on_bus);
	printf("%d %d %d\n", touch(shared + 0x17ff), touch(shared + 0x1800), touch(shared + 0x2000));
	ftruncate(fd, 0x3800), say("long again");
	printf("%d %d\n", touch(shared + 0x1900), touch(shared + 0x2000));
	pid_t pid = fork();
	if (!pid) {
		shared[0x123] = 'u', private[0x123] = 'v';
		pwrite(fd, "w", 1, 0x124);
		_exit(0);
	}
	waitpid(pid, 0, 0), say("a child");
	msync(shared, 0x2000, MS_SYNC), madvise(shared, 0x2000, MADV_DONTNEED), say("again from the file");
	madvise(private, 0x5000, MADV_DONTNEED), say("and what was private");
	munmap(shared + 0x1000, 0x1000);
	pwrite(fd, "xyz", 3, 0x1000);
	shared = mremap(shared, 0x1000, 0x5000, MREMAP_MAYMOVE), say("moved");
	unlink(path);
	return 0;
}
