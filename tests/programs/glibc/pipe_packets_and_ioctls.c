/* Pipes of packets, how much there is to read, ioctls of every file, sendfile and splice into sockets. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
static int left(int fd)
{
	int n = -1;
	return ioctl(fd, FIONREAD, &n) < 0 ? -errno : n;
}

int main(void)
{
	char dir[] = "/tmp/packets.XXXXXX", b[9000] = "abcdefghijklmnopqrstuvwxyz";
	int p[2], q[2], s[2], on = 1, off = 0;
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	setvbuf(stdout, 0, _IOLBF, 0);
	say("pipe2", pipe2(p, O_DIRECT | O_NONBLOCK));
	say("flags", !!(fcntl(p[1], F_GETFL) & O_DIRECT));
	write(p[1], b, 5), write(p[1], b, 7), write(p[1], b, 5000);
	printf("left %d\n", left(p[0]));
	say("packet", read(p[0], b, 100));
	say("part of one", read(p[0], b, 3));
	say("first page", read(p[0], b, 9000));
	say("second page", read(p[0], b, 9000));
	say("empty", read(p[0], b, 9000));
	say("packets, one page each", (write(p[1], b, 1), write(p[1], b, 1), read(p[0], b, 10)));
	say("pipe", pipe(q));
	write(q[1], b, 5), write(q[1], b, 7);
	printf("left %d\n", left(q[1]));
	say("bytes", read(q[0], b, 100));
	say("later", fcntl(q[1], F_SETFL, O_DIRECT));
	write(q[1], b, 5), write(q[1], b, 7);
	say("packet", read(q[0], b, 100));
	say("other ioctl", ioctl(q[0], 0x12345, 0));
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	write(fd, b, 9000), lseek(fd, 100, SEEK_SET);
	printf("left of the file %d\n", left(fd));
	say("block", (ioctl(fd, 2, &on), on));
	on = 1;
	say("nonblocking", ioctl(q[0], FIONBIO, &on));
	say("flags", fcntl(q[0], F_GETFL));
	say("blocking", ioctl(q[0], FIONBIO, &off));
	say("flags", fcntl(q[0], F_GETFL));
	say("async", ioctl(q[0], FIOASYNC, &on));
	say("flags", fcntl(q[0], F_GETFL) == O_ASYNC);
	say("close on exec", (ioctl(fd, FIOCLEX), fcntl(fd, F_GETFD)));
	say("not", (ioctl(fd, FIONCLEX), fcntl(fd, F_GETFD)));
	say("fault", ioctl(fd, FIONBIO, 1));
	say("descriptor", ioctl(99, FIOCLEX));
	say("of a place", ioctl(open("f", O_PATH), FIOCLEX));
	off_t at = 0;
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	say("sendfile to a stream", sendfile(s[0], fd, &at, 5000));
	say("read it", read(s[1], b, 9000));
	printf("left %d\n", left(s[1]));
	if (fork() == 0) {
		long n = 0, r;
		close(s[0]);
		while ((r = read(s[1], b, 9000)) > 0)
			n += r, usleep(100);
		say("child read", n);
		_exit(0);
	}
	close(s[1]);
	ftruncate(fd, 600000), at = 0;
	say("sendfile, waiting", sendfile(s[0], fd, &at, 600000));
	close(s[0]), wait(0);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	at = 0;
	say("sendfile to datagrams", sendfile(s[0], fd, &at, 3000));
	say("read it", read(s[1], b, 9000));
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	while (write(s[0], b, 5000) > 0)
		;
	say("full", sendfile(s[0], fd, &at, 1));
	while (recv(s[1], b, 9000, MSG_DONTWAIT) > 0)
		;
	write(p[1], b, 11);
	say("splice to a socket", splice(p[0], 0, s[0], 0, 11, 0));
	say("read it", read(s[1], b, 9000));
	int created = open("g", O_CREAT | O_RDWR, 0644), again = open("g", O_CREAT | O_RDWR, 0644);
	say("made by this open", fcntl(created, 1028));
	say("not by that", fcntl(again, 1028));
	int sealed = syscall(SYS_memfd_create, "sealed", 2);
	write(sealed, "x", 1);
	say("seal", fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK));
	sprintf(b, "/proc/self/fd/%d", sealed);
	say("truncated by open", open(b, O_RDWR | O_TRUNC));
	say("not truncated", open(b, O_RDWR) >= 0 ? 0 : -1);
	int comm = open("/proc/self/comm", O_RDONLY), ostype = open("/proc/sys/kernel/ostype", O_RDONLY);
	pipe2(q, O_NONBLOCK);
	say("splice from a process's file", splice(comm, 0, q[1], 0, 5, 0));
	say("splice from a setting", splice(ostype, 0, q[1], 0, 3, 0));
	say("and on", splice(ostype, 0, q[1], 0, 500, 0));
	memset(b, 0, 30), read(q[0], b, 6);
	puts(b);
	int self = open("/proc/self", O_RDONLY), task = open("/proc/self/task", O_RDONLY);
	say("a signal to /proc/self", syscall(SYS_pidfd_send_signal, self, 0, 0, 0));
	say("to another directory", syscall(SYS_pidfd_send_signal, task, 0, 0, 0));
	unlink("f"), unlink("g"), chdir("/"), rmdir(dir);
	return 0;
}
