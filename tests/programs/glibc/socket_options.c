/* Every option of a local socket: what it takes, what it tells, in however much room; what comes with a message when
 * there is little room; sockets that hold each other. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	fflush(stdout);
	return r;
}

/* The timestamps, filters and so on of the internet's sockets are left out, and
 * SO_REUSEPORT, which newer kernels refuse. */
static const int names[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 16, 18, 19, 20, 21, 29, 30, 32, 33, 38, 39, 66, 67};

static void options(int type)
{
	int s = socket(AF_UNIX, type, 0);
	for (int i = 0; i < sizeof names / sizeof *names; i++) {
		unsigned words[6];
		char text[40];
		socklen_t n;
		for (int room = 0; room <= 16; room += room < 8 ? 2 : 4) {
			memset(words, 0xee, sizeof words);
			n = room;
			sprintf(text, "type %d option %d get %d", type, names[i], room);
			if (say(text, getsockopt(s, SOL_SOCKET, names[i], words, &n)) == 0)
				printf("%u: %x %x %x %x\n", n, words[0], words[1], words[2], words[3]);
			memset(words, 0, sizeof words);
			words[0] = 5;
			sprintf(text, "type %d option %d set %d", type, names[i], room);
			say(text, setsockopt(s, SOL_SOCKET, names[i], words, room));
		}
		for (int value = -1; value < 8; value++) {
			int word[4] = {value, 0, 0, 0};
			if ((names[i] == 7 || names[i] == 8) && value < 0)
				continue; /* as much as this system allows */
			n = 4;
			sprintf(text, "option %d set to %d", names[i], value);
			if (say(text, setsockopt(s, SOL_SOCKET, names[i], word, 16)) == 0 && getsockopt(s, SOL_SOCKET, names[i], word, &n) == 0)
				printf("%d\n", word[0]);
		}
	}
	say("nowhere", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4));
	say("nowhere", getsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, &(socklen_t){4}));
	say("nowhere", getsockopt(s, SOL_SOCKET, SO_REUSEADDR, names, (void *)8));
	say("negative", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, names, -1));
	say("negative", getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &(int){0}, &(socklen_t){-1}));
	say("level 0", setsockopt(s, 0, 2, names, 4));
	say("level 0", getsockopt(s, 0, 2, &(int){0}, &(socklen_t){4}));
	close(s);
}

static void times(void)
{
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	for (int i = 0; i < 4; i++) {
		int which = (int[]){SO_RCVTIMEO, SO_SNDTIMEO, 66, 67}[i], size = i < 2 ? 4 : 8;
		long long told[2], given[][2] = {{1, 999999}, {1, 1000000}, {1, -1}, {0, 0}, {-1, 0}, {3, 40000}};
		for (int n = 0; n < 6; n++) {
			long old[2] = {given[n][0], given[n][1]};
			socklen_t room = 2 * size;
			memset(told, 0, sizeof told);
			say("time", setsockopt(s, SOL_SOCKET, which, size == 4 ? (void *)old : given[n], 2 * size));
			getsockopt(s, SOL_SOCKET, which, told, &room);
			if (size == 4)
				printf("%u %ld %ld\n", room, ((long *)told)[0], ((long *)told)[1]);
			else
				printf("%u %lld %lld\n", room, told[0], told[1]);
		}
	}
	close(s);
}

static void send_files(int s, int *files, int count, int level, int type)
{
	char control[CMSG_SPACE(300 * 4)];
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * 4)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(count * 4);
	memcpy(CMSG_DATA(c), files, count * 4);
	say("sent", sendmsg(s, &m, 0));
}

static void receive(int s, int room, int flags)
{
	int words[40];
	char byte[4];
	struct iovec v = {byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = words, .msg_controllen = room};
	memset(words, 0xee, sizeof words);
	long r = recvmsg(s, &m, flags);
	printf("room %d: %ld %d, %u bytes, flags %x\n", room, r, r < 0 ? errno : 0, (unsigned)m.msg_controllen, m.msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c && r >= 0; c = CMSG_NXTHDR(&m, c)) {
		printf("  %d %d %u\n", c->cmsg_level, c->cmsg_type, (unsigned)c->cmsg_len);
		if (c->cmsg_type == SCM_RIGHTS)
			for (int n = 0; n < (c->cmsg_len - 12) / 4; n++) {
				int fd = ((int *)CMSG_DATA(c))[n];
				printf("  fd %d %d\n", fd, fcntl(fd, F_GETFD));
				close(fd);
			}
		else
			printf("  %d\n", ((int *)CMSG_DATA(c))[0] == getpid());
	}
	fflush(stdout);
}

static void control(void)
{
	int v[2], files[300], on = 1;
	for (int n = 0; n < 300; n++)
		files[n] = 1;
	socketpair(AF_UNIX, SOCK_DGRAM, 0, v);
	for (int creds = 0; creds < 2; creds++) {
		setsockopt(v[1], SOL_SOCKET, SO_PASSCRED, &creds, 4);
		for (int room = 0; room <= 60; room += 4) {
			send_files(v[0], files, 3, SOL_SOCKET, SCM_RIGHTS);
			if (room % 8 == 0)
				receive(v[1], room, MSG_PEEK);
			receive(v[1], room, room % 8 ? MSG_CMSG_CLOEXEC : 0);
		}
	}
	send_files(v[0], files, 253, SOL_SOCKET, SCM_RIGHTS);
	receive(v[1], 16, 0);
	send_files(v[0], files, 254, SOL_SOCKET, SCM_RIGHTS);
	send_files(v[0], files, 0, SOL_SOCKET, SCM_RIGHTS);
	receive(v[1], 60, 0);
	send_files(v[0], files, 1, SOL_SOCKET, 7);
	send_files(v[0], files, 1, 7, 7);
	receive(v[1], 60, MSG_DONTWAIT);
	receive(v[1], 60, MSG_DONTWAIT);
	close(v[0]);
	close(v[1]);
}

static void one(struct msghdr *m, const char *what, int s, int flags)
{
	say(what, sendmsg(s, m, flags));
}

static void messages(void)
{
	int v[2];
	char bytes[64] = "0123456789";
	struct iovec two[2] = {{bytes, 3}, {bytes + 3, 4}}, many[1];
	struct msghdr m = {.msg_iov = two, .msg_iovlen = 2};
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, v);
	one(&m, "plain", v[0], 0);
	one(&m, "eor", v[0], MSG_EOR);
	one(&m, "oob", v[0], MSG_OOB);
	one(&m, "more", v[0], MSG_MORE);
	m.msg_iovlen = 1025;
	one(&m, "1025 pieces", v[0], 0);
	m.msg_iovlen = 0;
	one(&m, "none", v[0], 0);
	m.msg_iovlen = 2;
	m.msg_namelen = -1;
	m.msg_name = bytes;
	one(&m, "negative name", v[0], 0);
	say("to receive, too", recvmsg(v[1], &m, 0));
	m.msg_name = 0;
	one(&m, "no name", v[0], 0);
	m.msg_namelen = 0;
	m.msg_control = (void *)8;
	m.msg_controllen = 16;
	one(&m, "control nowhere", v[0], 0);
	m.msg_control = 0;
	m.msg_controllen = 0;
	two[1].iov_base = (void *)8;
	one(&m, "half of it", v[0], 0);
	two[1].iov_base = bytes + 20;
	for (int flags = 0; flags < 6; flags++) {
		struct msghdr r = {.msg_iov = two, .msg_iovlen = 2};
		int f = (int[]){MSG_PEEK, MSG_TRUNC | MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_OOB, MSG_DONTWAIT}[flags];
		two[0].iov_base = bytes + 40;
		two[1].iov_len = 1;
		say("receive", recvmsg(v[1], &r, f));
		printf("%.3s flags %x\n", bytes + 40, r.msg_flags);
	}
	while (recv(v[1], bytes, 10, MSG_DONTWAIT) > 0)
		continue;
	say("shutdown 3", shutdown(v[0], 3));
	say("shutdown", shutdown(v[0], SHUT_RD));
	say("send", send(v[0], "x", 1, MSG_NOSIGNAL));
	say("the other way", send(v[1], "x", 1, MSG_NOSIGNAL));
	say("recv", recv(v[0], bytes, 1, 0));
	say("recv", recv(v[1], bytes, 1, 0));
	struct mmsghdr mm[2] = {{{.msg_iov = two, .msg_iovlen = 1}}, {{.msg_iov = (void *)8, .msg_iovlen = 1}}};
	socketpair(AF_UNIX, SOCK_DGRAM, 0, v);
	say("the first only", sendmmsg(v[0], mm, 2, 0));
	say("none of it", sendmmsg(v[0], mm + 1, 1, 0));
	say("no number", sendmmsg(v[0], mm, 0, 0));
	say("a new flag", recvmmsg(v[1], mm, 1, MSG_WAITFORONE, 0));
	struct timespec t = {0, 20000000}, bad = {0, 1000000000};
	say("in time", recvmmsg(v[1], mm, 1, MSG_DONTWAIT, &t));
	say("bad time", recvmmsg(v[1], mm, 1, MSG_DONTWAIT, &bad));
	say("cloexec", (recvmmsg(v[1], mm, 1, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0)));
}

/* Three pairs whose ends are only in each other's queues, and a pipe with them: its reader sees the end. */
static void circle(void)
{
	int a[2], b[2], c[2], p[2], files[2];
	char byte;
	socketpair(AF_UNIX, SOCK_STREAM, 0, a);
	socketpair(AF_UNIX, SOCK_STREAM, 0, b);
	socketpair(AF_UNIX, SOCK_STREAM, 0, c);
	pipe(p);
	files[0] = b[1];
	files[1] = p[1];
	send_files(a[0], files, 2, SOL_SOCKET, SCM_RIGHTS);
	send_files(b[0], &c[1], 1, SOL_SOCKET, SCM_RIGHTS);
	send_files(c[0], &a[1], 1, SOL_SOCKET, SCM_RIGHTS);
	close(p[1]);
	close(b[1]);
	close(c[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	close(a[1]);
	say("somebody can write", read(p[0], &byte, 1));
	close(b[0]);
	close(c[0]);
	close(a[0]);
	usleep(100000);
	say("nobody", read(p[0], &byte, 1));
}

/* A socket that is only in the queue of one that is open: it is not to be cleared away, nor what is in its own. */
static void chain(void)
{
	struct stat st;
	int a[2], b[2], p[2], got;
	char byte;
	socketpair(AF_UNIX, SOCK_STREAM, 0, a);
	socketpair(AF_UNIX, SOCK_STREAM, 0, b);
	fstat(a[0], &st);
	printf("%o %u\n", st.st_mode, (unsigned)st.st_nlink);
	pipe(p);
	send_files(a[0], &b[1], 1, SOL_SOCKET, SCM_RIGHTS);
	send_files(b[0], &p[1], 1, SOL_SOCKET, SCM_RIGHTS);
	close(b[1]);
	close(p[1]);
	close(socket(AF_UNIX, SOCK_STREAM, 0)); /* now who is not held is looked for */
	usleep(50000);
	for (int n = 0; n < 2; n++) {
		int words[10];
		struct iovec v = {&byte, 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = words, .msg_controllen = 40};
		say("received", recvmsg(n ? got : a[1], &m, 0));
		printf("%u\n", (unsigned)m.msg_controllen);
		got = words[3];
	}
	say("written", write(got, "y", 1));
	say("read", read(p[0], &byte, 1));
}

static void listener(void)
{
	struct sockaddr_un name = {AF_UNIX, "\0tk-options"}, other;
	socklen_t n = 0;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), c[5], on = 1;
	bind(s, (void *)&name, 13);
	say("bad flags", accept4(s, 0, 0, 1));
	setsockopt(s, SOL_SOCKET, SO_PASSCRED, &on, 4);
	say("listen", listen(s, 0));
	for (int i = 0; i < 3; i++) {
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		say("connect", connect(c[i], (void *)&name, 13));
	}
	say("more", listen(s, 2));
	say("connect", connect(c[1], (void *)&name, 13));
	say("connect", connect(c[2], (void *)&name, 13));
	struct timeval t = {0, 20000};
	int d = socket(AF_UNIX, SOCK_STREAM, 0);
	setsockopt(d, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	say("in time", connect(d, (void *)&name, 13));
	struct pollfd p = {s, 0xff};
	poll(&p, 1, 0);
	printf("%x\n", p.revents);
	say("negative room", accept(s, (void *)&other, &(socklen_t){-1}));
	int got = say("accept", accept4(s, (void *)&other, (n = 1, &n), SOCK_CLOEXEC | SOCK_NONBLOCK));
	printf("%u %x %x\n", n, fcntl(got, F_GETFD), fcntl(got, F_GETFL));
	n = 4;
	getsockopt(got, SOL_SOCKET, SO_PASSCRED, &on, &n);
	printf("handed on: %d\n", on);
	say("nowhere", accept(s, (void *)8, &n));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	close(accept(s, 0, 0));
	say("in time", accept(s, 0, 0));
	say("of no listener", accept(got, 0, 0));
	say("of no stream", accept(socket(AF_UNIX, SOCK_DGRAM, 0), 0, 0));
	say("of no socket", accept(0, 0, 0));
	shutdown(s, SHUT_RD);
	say("shut", accept(s, 0, 0));
	say("shut", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, 13));
	for (int room = 0; room < 5; room++) {
		memset(&other, 0xee, sizeof other);
		n = room;
		say("name", getsockname(s, (void *)&other, &n));
		printf("%u %x %x\n", n, *(unsigned short *)&other, (unsigned char)other.sun_path[0]);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	options(SOCK_STREAM);
	options(SOCK_DGRAM);
	times();
	control();
	messages();
	circle();
	chain();
	listener();
	return 0;
}
