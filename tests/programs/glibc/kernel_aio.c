/* io_setup, io_submit, io_getevents and their errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static aio_context_t ctx;
static char buf[100];

static void is(const char *what, int result)
{
	printf("%s: %d %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
}

static int setup(unsigned n, void *p) { return syscall(SYS_io_setup, n, p); }
static int submit(int n, void *p) { return syscall(SYS_io_submit, ctx, n, p); }
static int events(int least, int most, struct io_event *e, struct timespec *t)
{
	return syscall(SYS_io_getevents, ctx, least, most, e, t);
}

static struct iocb *make(struct iocb *cb, int op, int fd, const void *data, int size, int offset)
{
	memset(cb, 0, sizeof *cb);
	cb->aio_lio_opcode = op;
	cb->aio_fildes = fd;
	cb->aio_buf = (uintptr_t)data;
	cb->aio_nbytes = size;
	cb->aio_offset = offset;
	cb->aio_data = 1000 + op;
	return cb;
}

/* One request from beginning to end. */
static void one(const char *what, struct iocb *cb)
{
	struct io_event e = {0};
	struct timespec none = {0, 0};
	int r = submit(1, &cb);
	is(what, r);
	if (r == 1) {
		r = events(1, 1, &e, &none);
		printf("  %d: %d, data %d, mine %d, %d\n", r, (int)e.res, (int)e.data, e.obj == (uintptr_t)cb, (int)e.res2);
	}
}

static void on_alarm(int sig) {}

int main(void)
{
	struct iocb a, b, c, *three[3] = {&a, &b, &c};
	struct io_event e[4];
	struct iovec v[2] = {{buf, 3}, {buf + 3, 2}};
	struct timespec soon = {0, 20000000}, none = {0, 0};
	char dir[] = "/tmp/aio.XXXXXX";
	int p[2];
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	aio_context_t used = 1;
	is("no address", setup(1, 0));
	is("one is there", setup(1, &used));
	is("for none", setup(0, &ctx));
	is("for too many", setup(-1, &ctx));
	is("more than the limit", setup(100000, &ctx));
	is("setup", setup(3, &ctx));
	int fd = open("f", O_CREAT | O_RDWR, 0600), rd = open("f", O_RDONLY), wr = open("f", O_WRONLY);
	one("write", make(&a, IOCB_CMD_PWRITE, fd, "hello world", 11, 0));
	one("read", make(&a, IOCB_CMD_PREAD, fd, buf, 5, 6));
	puts(buf);
	printf("position %d\n", (int)lseek(fd, 0, SEEK_CUR));
	one("readv", make(&a, IOCB_CMD_PREADV, fd, v, 2, 0));
	puts(buf);
	one("writev", make(&a, IOCB_CMD_PWRITEV, fd, v, 2, 11));
	one("read at the end", make(&a, IOCB_CMD_PREAD, fd, buf, 5, 100));
	one("into nowhere", make(&a, IOCB_CMD_PREAD, fd, (void *)16, 5, 0));
	one("fsync of memory", make(&a, IOCB_CMD_FSYNC, fd, 0, 0, 1));
	one("read what is write-only", make(&a, IOCB_CMD_PREAD, wr, buf, 5, 0));
	one("write what is read-only", make(&a, IOCB_CMD_PWRITE, rd, buf, 5, 0));
	one("no file", make(&a, IOCB_CMD_PREAD, -1, buf, 5, 0));
	one("no operation", make(&a, IOCB_CMD_NOOP, fd, buf, 5, 0));
	one("another", make(&a, 77, fd, buf, 5, 0));
	one("before the beginning", make(&a, IOCB_CMD_PREAD, fd, buf, 5, -1));
	make(&a, IOCB_CMD_PREAD, fd, buf, 5, 0)->aio_reserved2 = 1;
	one("a reserved word", &a);
	make(&a, IOCB_CMD_PREAD, fd, buf, 5, 0)->aio_rw_flags = 0x40000;
	one("a flag", &a);
	make(&a, IOCB_CMD_PREAD, fd, buf, 5, 0)->aio_flags = IOCB_FLAG_RESFD;
	a.aio_resfd = fd;
	one("to be told by a file", &a);
	uint64_t count = 0;
	int event = eventfd(0, EFD_NONBLOCK);
	a.aio_resfd = event;
	one("by an eventfd", &a);
	is("that", read(event, &count, 8));
	printf("%d\n", (int)count);

	is("none", submit(0, 0));
	is("fewer than none", submit(-1, three));
	is("no addresses", submit(1, 0));
	make(&a, IOCB_CMD_PWRITE, fd, "1", 1, 0), make(&b, IOCB_CMD_PREAD, -1, buf, 1, 0);
	is("two, the second is wrong", submit(2, three));
	make(&b, IOCB_CMD_PWRITE, fd, "2", 1, 1), make(&c, IOCB_CMD_PWRITE, fd, "3", 1, 2);
	is("three", submit(3, three));
	is("at most two", events(1, 2, e, 0));
	is("the others", events(0, 4, e, &none));
	printf("order %d\n", e[1].obj == (uintptr_t)&c);
	is("no more", events(0, 4, e, &none));
	is("soon", events(1, 4, e, &soon));
	is("fewer than none", events(-1, 4, e, &none));
	is("at least five of four", events(5, 4, e, &none));
	is("cancel", syscall(SYS_io_cancel, ctx, &a, e));
	is("cancel none", syscall(SYS_io_cancel, ctx, 0, e));

	pipe(p);
	make(&a, IOCB_CMD_PREAD, p[0], buf, 50, 0)->aio_rw_flags = RWF_NOWAIT;
	one("an empty pipe", &a);
	fflush(stdout);
	if (!fork()) {
		is("a child's context", events(0, 1, e, &none));
		usleep(20000);
		write(p[1], "late", 4);
		_exit(0);
	}
	wait(0);
	one("a pipe", make(&a, IOCB_CMD_PREAD, p[0], buf, 50, 0));
	one("into a pipe", make(&a, IOCB_CMD_PWRITE, p[1], "abc", 3, 0));
	struct sigaction act = {.sa_handler = on_alarm};
	sigaction(SIGALRM, &act, 0);
	ualarm(20000, 0);
	is("a signal", events(1, 1, e, 0));
	is("destroy", syscall(SYS_io_destroy, ctx));
	is("again", syscall(SYS_io_destroy, ctx));
	is("submit to it", submit(1, three));
	unlink("f"), rmdir(dir);
	return 0;
}
