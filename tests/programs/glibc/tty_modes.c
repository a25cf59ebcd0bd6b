/* A terminal's modes, one and two at a time: what comes of the same typed and written bytes under each; who hears of
 * a hang-up. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int m, s;
static struct termios start;

/* What is written to one end comes to the other when a thread of the kernel gets to it. */
static void settle(int fd, int most)
{
	struct pollfd p = {fd, POLLIN};
	poll(&p, 1, most);
	usleep(1000);
}

static void show(const char *what, int fd)
{
	unsigned char bytes[600];
	int n = read(fd, bytes, sizeof bytes);
	printf("  %s %d ", what, n < 0 ? -errno : n);
	for (int i = 0; i < n; i++)
		printf(bytes[i] < 32 || bytes[i] > 126 ? "\\%o" : "%c", bytes[i]);
	printf("\n");
}

static void try(const char *name, struct termios *t, const char *in, int length)
{
	tcsetattr(s, TCSANOW, t);
	printf("%s\n", name);
	if (write(m, in, length) < 0)
		printf("%d\n", errno);
	settle(t->c_lflag & ECHO ? m : s, 150);
	show("echo", m);
	show("read", s);
	show("read", s);
	tcsetattr(s, TCSANOW, &start);
	tcflush(s, TCIOFLUSH);
	write(m, "\x11\n", 2); /* whatever is open or stopped ends */
	settle(s, 300);
	char rest[600];
	while (read(m, rest, sizeof rest) > 0 || read(s, rest, sizeof rest) > 0)
		continue;
}

static void modes(void)
{
	static const char typed[] = "ab\tc\x01\x7f\x7f\x7f_d e1\x17" "x\x12y\x15z\x16\x7fk\x04\r";
	static const char plain[] = "Ab\nC\rd\r\ne\xe1\x7f\n";
	static const struct { const char *name; unsigned bits; } local[] = {
		{"ECHO", ECHO}, {"ECHOE", ECHOE}, {"ECHOK", ECHOK}, {"ECHONL", ECHONL}, {"ECHOCTL", ECHOCTL},
		{"ECHOKE", ECHOKE}, {"IEXTEN", IEXTEN}, {"ICANON", ICANON},
	}, input[] = {
		{"ISTRIP", ISTRIP}, {"INLCR", INLCR}, {"IGNCR", IGNCR}, {"ICRNL", ICRNL}, {"IUCLC", IUCLC}, {"IXON", IXON},
		{"IXANY", IXANY},
	}, output[] = {
		{"OPOST", OPOST}, {"OLCUC", OLCUC}, {"ONLCR", ONLCR}, {"OCRNL", OCRNL}, {"ONOCR", ONOCR}, {"ONLRET", ONLRET},
		{"XTABS", XTABS},
	};
	char name[80];
	for (int one = 0; one < 8; one++)
		for (int two = one; two < 8; two++) {
			struct termios t = start;
			t.c_lflag &= ~ISIG;
			t.c_lflag ^= local[one].bits | local[two].bits;
			sprintf(name, "local, not %s %s", local[one].name, local[two].name);
			try(name, &t, typed, sizeof typed - 1);
		}
	for (int one = 0; one < 7; one++)
		for (int two = one; two < 7; two++) {
			struct termios t = start;
			t.c_lflag &= ~ISIG;
			t.c_iflag = input[one].bits | input[two].bits;
			sprintf(name, "input, %s %s", input[one].name, input[two].name);
			try(name, &t, plain, sizeof plain - 1);
		}
	for (int one = 0; one < 7; one++)
		for (int two = one; two < 7; two++) {
			struct termios t = start;
			t.c_oflag = OPOST | output[one].bits | output[two].bits;
			if (one == 0 && two == 0)
				t.c_oflag = 0;
			tcsetattr(s, TCSANOW, &t);
			printf("output, %s %s\n", output[one].name, output[two].name);
			printf("%d\n", (int)write(s, "Ab\tc\nd\re\r\n\rf\bg\t\n", 17));
			settle(m, 300);
			show("written", m);
			write(s, "\n", 1);
			settle(m, 300);
			show("end", m);
			tcsetattr(s, TCSANOW, &start);
		}
}

static void controls(void)
{
	for (int at = 0; at < 17; at++) { /* each special character, moved and switched off */
		struct termios t = start;
		char typed[] = "one two\x1ethree\n", name[40];
		if (at == VTIME || at == VMIN || at == VSWTC)
			continue;
		t.c_lflag &= ~ISIG;
		t.c_cc[at] = 0x1e;
		sprintf(name, "character %d", at);
		try(name, &t, typed, sizeof typed - 1);
		t.c_cc[at] = 0;
		typed[7] = start.c_cc[at] ? start.c_cc[at] : 1;
		sprintf(name, "no character %d", at);
		try(name, &t, typed, sizeof typed - 1);
	}
}

static void flow(void)
{
	char bytes[8];
	for (int way = -1; way < 5; way++)
		printf("flow %d: %d %d\n", way, tcflow(s, way), errno);
	tcflow(s, TCOOFF);
	printf("held: %d %d\n", (int)write(s, "x", 1), errno);
	write(m, "\x11", 1);
	usleep(20000);
	printf("held: %d %d\n", (int)write(s, "x", 1), errno);
	tcflow(s, TCOON);
	printf("free: %d\n", (int)write(s, "x", 1));
	write(m, "\x13", 1);
	usleep(20000);
	printf("held: %d %d\n", (int)write(s, "x", 1), errno);
	tcflow(s, TCOON);
	printf("held: %d %d\n", (int)write(s, "x", 1), errno);
	write(m, "\x11", 1);
	usleep(20000);
	printf("free: %d\n", (int)write(s, "x", 1));
	usleep(20000);
	printf("%d\n", (int)read(m, bytes, 8));
}

static int to_parent[2];
static const char *who;

static void hit(int sig)
{
	char text[40];
	int n = sprintf(text, "%s hears %d\n", who, sig);
	write(to_parent[1], text, n);
}

static void hang_up(int how)
{
	char text[400] = "", *lines[10], *at;
	int leader, slave, n = 0, count = 0, ready[2], status;
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	pipe(to_parent);
	pipe(ready);
	printf("hang-up %d\n", how);
	fflush(stdout);
	leader = fork();
	if (!leader) {
		struct sigaction sa = {.sa_handler = hit};
		setsid();
		slave = open(ptsname(master), O_RDWR);
		close(master);
		who = "foreground";
		sigaction(SIGHUP, &sa, 0);
		sigaction(SIGCONT, &sa, 0);
		for (int n = 0; n < 2; n++)
			if (!fork()) {
				if (n == 0)
					who = "background";
				setpgid(0, 0);
				if (n == 1) {
					signal(SIGTTOU, SIG_IGN);
					tcsetpgrp(slave, getpid());
				}
				write(ready[1], "x", 1);
				for (int turn = 0; turn < 6; turn++)
					usleep(10000);
				_exit(0);
			} else
				read(ready[0], text, 1);
		who = "leader";
		write(ready[1], "x", 1);
		if (how == 0) { /* the leader ends */
			usleep(5000);
			_exit(0);
		}
		if (how == 2)
			ioctl(slave, TIOCNOTTY, 0);
		if (how == 3 && syscall(SYS_vhangup))
			perror("vhangup");
		for (int turn = 0; turn < 4; turn++)
			usleep(10000);
		n = tcgetpgrp(slave);
		if (how != 3) /* there EIO: what was open before stays dead */
			dprintf(to_parent[1], "then: %d %d\n", n < 0 ? -1 : n > 0, n < 0 ? errno : 0);
		n = open("/dev/tty", O_RDWR);
		dprintf(to_parent[1], "tty: %d\n", n < 0 ? errno : 0);
		while (wait(0) > 0 || errno == EINTR)
			continue;
		_exit(0);
	}
	usleep(20000);
	if (how == 1)
		close(master);
	waitpid(leader, &status, 0);
	usleep(100000);
	close(to_parent[1]);
	n = read(to_parent[0], text, sizeof text - 1);
	text[n < 0 ? 0 : n] = 0;
	for (at = strtok(text, "\n"); at; at = strtok(0, "\n"))
		lines[count++] = at;
	for (int a = 0; a < count; a++) /* in which order they hear is the scheduler's */
		for (int b = a + 1; b < count; b++)
			if (strcmp(lines[b], lines[a]) < 0)
				at = lines[a], lines[a] = lines[b], lines[b] = at;
	for (int a = 0; a < count; a++)
		puts(lines[a]);
	fflush(stdout);
	if (how != 1)
		close(master);
	close(to_parent[0]);
}

int main(void)
{
	m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	grantpt(m);
	unlockpt(m);
	s = open(ptsname(m), O_RDWR | O_NOCTTY | O_NONBLOCK);
	tcgetattr(s, &start);
	modes();
	controls();
	flow();
	fflush(stdout);
	for (int how = 0; how < 4; how++)
		hang_up(how);
	return 0;
}
