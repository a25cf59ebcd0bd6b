/* The calls of sockets by number: each takes its own count of words, not one more, in their order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int *end;

static long call(int number, int count, int a, int b, int c, int d, int e, int f)
{
	int words[6] = {a, b, c, d, e, f}, r;
	memcpy(end - count, words, 4 * count);
	r = syscall(SYS_socketcall, number, end - count);
	printf("call %d: %d %d\n", number, r < 0 ? -1 : r, r < 0 ? errno : 0);
	int kept = r;
	memcpy(end - count + 1, words, 4 * (count - 1));
	r = syscall(SYS_socketcall, number, end - count + 1);
	printf("  a word less: %d %d\n", r < 0 ? -1 : r, r < 0 ? errno : 0);
	fflush(stdout);
	return kept;
}
#define CALL(n, count, ...) ({ int w_[6] = {__VA_ARGS__}; call(n, count, w_[0], w_[1], w_[2], w_[3], w_[4], w_[5]); })
#define P(x) ((int)(x))

int main(void)
{
	char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[64] = "";
	struct sockaddr_un one = {AF_UNIX, "\0tk-call-1"}, two = {AF_UNIX, "\0tk-call-2"}, got;
	struct iovec v = {"vector", 6}, w = {text, 20};
	struct msghdr out = {.msg_iov = &v, .msg_iovlen = 1}, in = {.msg_iov = &w, .msg_iovlen = 1};
	struct mmsghdr many[2] = {{out}, {out}}, more[2] = {{in}, {in}};
	int pair[2], n, value;
	mprotect(page + 4096, 4096, PROT_NONE);
	end = (int *)(page + 4096);
	for (int number = -1; number < 24; number += number == 0 ? 21 : 1)
		if (number < 1 || number > 20)
			printf("%d: %ld %d\n", number, syscall(SYS_socketcall, number, page), errno);
	int s = CALL(1, 3, AF_UNIX, SOCK_STREAM, 0);
	CALL(2, 3, s, P(&one), 12);
	CALL(4, 2, s, 3);
	int c = CALL(1, 3, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	printf("%d\n", fcntl(c, F_GETFD));
	CALL(3, 3, c, P(&one), 12);
	int d = CALL(1, 3, AF_UNIX, SOCK_STREAM, 0);
	CALL(2, 3, d, P(&two), 12);
	CALL(3, 3, d, P(&one), 12);
	n = sizeof got;
	int a = CALL(5, 3, s, P(&got), P(&n));
	printf("%d\n", n);
	n = sizeof got;
	int b = CALL(18, 4, s, P(&got), P(&n), SOCK_NONBLOCK);
	printf("%d %s %x\n", n, got.sun_path + 1, fcntl(b, F_GETFL));
	n = sizeof got;
	CALL(6, 3, s, P(&got), P(&n));
	printf("%d %.9s\n", n, got.sun_path + 1);
	n = sizeof got;
	CALL(7, 3, b, P(&got), P(&n));
	printf("%d %.9s\n", n, got.sun_path + 1);
	CALL(8, 4, AF_UNIX, SOCK_DGRAM, 0, P(pair));
	CALL(9, 4, pair[0], P("hello"), 5, MSG_DONTWAIT);
	memset(text, 0, sizeof text);
	CALL(10, 4, pair[1], P(text), 3, MSG_PEEK);
	printf("%s\n", text);
	CALL(10, 4, pair[1], P(text), 30, 0);
	printf("%s\n", text);
	int u = CALL(1, 3, AF_UNIX, SOCK_DGRAM, 0), t = CALL(1, 3, AF_UNIX, SOCK_DGRAM, 0);
	CALL(2, 3, u, P(&one), 12);
	CALL(2, 3, t, P(&two), 12);
	CALL(11, 6, t, P("to you"), 6, 0, P(&one), 12);
	n = sizeof got;
	CALL(12, 6, u, P(text), 30, 0, P(&got), P(&n));
	printf("%s %d %.9s\n", text, n, got.sun_path + 1);
	CALL(14, 5, u, SOL_SOCKET, SO_PASSCRED, P(&(int){1}), 4);
	n = 4;
	CALL(15, 5, u, SOL_SOCKET, SO_PASSCRED, P(&value), P(&n));
	printf("%d %d\n", value, n);
	CALL(16, 3, pair[0], P(&out), MSG_DONTWAIT);
	CALL(17, 3, pair[1], P(&in), MSG_PEEK);
	printf("%.6s\n", text);
	CALL(17, 3, pair[1], P(&in), MSG_DONTWAIT);
	CALL(20, 4, pair[0], P(many), 2, 0);
	printf("%d %d\n", many[0].msg_len, many[1].msg_len);
	CALL(19, 5, pair[1], P(more), 2, MSG_DONTWAIT, 0);
	printf("%d %d\n", more[0].msg_len, more[1].msg_len);
	CALL(13, 2, c, SHUT_WR);
	CALL(10, 4, a, P(text), 3, 0);
	return 0;
}
