/* Landlock: rulesets, what they leave of files, and whom they keep out of reach. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	EXECUTE = 1, WRITE = 2, READ = 4, READ_DIR = 8, REMOVE_DIR = 0x10, REMOVE = 0x20, MAKE_CHAR = 0x40,
	MAKE_DIR = 0x80, MAKE_REG = 0x100, MAKE_SOCK = 0x200, MAKE_FIFO = 0x400, MAKE_SYM = 0x1000, REFER = 0x2000,
	TRUNCATE = 0x4000, IOCTL_DEV = 0x8000, ALL = 0xffff
};

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %s %d\n", what, r < 0 ? "no" : "yes", r < 0 ? e : 0);
	return r;
}

static int create(uint64_t fs, uint64_t net, uint64_t scoped)
{
	uint64_t attr[3] = { fs, net, scoped };
	return syscall(444, attr, sizeof attr, 0);
}

static int allow(int fd, const char *path, uint64_t access)
{
	struct {
		uint64_t access;
		int parent;
	} __attribute__((packed)) rule = { access, open(path, O_PATH | O_CLOEXEC) };
	int r = syscall(445, fd, 1, &rule, 0), e = errno;
	close(rule.parent);
	errno = e;
	return r;
}

/* a child with one layer more */
static int inside(int fd)
{
	fflush(stdout);
	if (fork()) {
		wait(0);
		return 0;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(446, fd, 0))
		_exit(1);
	return 1;
}

static void rulesets(void)
{
	uint64_t attr[4] = { READ, 0, 0, 0 };
	printf("version %d\n", syscall(444, 0, 0, 1) >= 6);
	say("flags", syscall(444, attr, 8, 1 << 30));
	say("short", syscall(444, attr, 7, 0));
	say("long", syscall(444, attr, 5000, 0));
	say("nowhere", syscall(444, 0, 8, 0));
	attr[3] = 1;
	say("more than known", syscall(444, attr, 32, 0));
	say("nothing", create(0, 0, 0));
	say("unknown", create(1ull << 40, 0, 0));
	say("unknown port", create(0, 4, 0));
	say("unknown scope", create(0, 0, 4));
	int fd = create(READ | READ_DIR, 1, 0), other = open("/dev/null", O_RDWR);
	printf("cloexec %d\n", fcntl(fd, F_GETFD));
	say("read", read(fd, attr, 8));
	say("rule of no kind", syscall(445, fd, 3, attr, 0));
	say("rule with flags", syscall(445, fd, 1, attr, 1));
	say("of another file", allow(other, ".", READ));
	say("of none", allow(77, ".", READ));
	say("empty", allow(fd, ".", 0));
	say("not handled", allow(fd, ".", WRITE));
	say("for a file", allow(fd, "file", READ));
	say("a directory's for a file", allow(fd, "file", READ_DIR));
	say("nothing there", allow(fd, "nowhere", READ));
	uint64_t port[2] = { 1, 70000 };
	say("port", syscall(445, fd, 2, port, 0));
	port[1] = 80;
	say("port", syscall(445, fd, 2, port, 0));
	say("restrict flags", syscall(446, fd, 1 << 30));
	say("restrict by another file", syscall(446, other, 0));
	say("restrict by none", syscall(446, 77, 0));
	fflush(stdout);
	if (!fork()) {
		int n = 0;
		while (!syscall(446, fd, 0))
			n++;
		printf("%d layers, then %d\n", n, errno);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	if (!fork()) {
		setuid(1000);
		say("for nobody", syscall(446, fd, 0));
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		say("without new privileges", syscall(446, fd, 0));
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	int ends[2], pair[2];
	pipe(ends);
	socketpair(1, 1, 0, pair);
	const struct {
		const char *what;
		int fd;
	} parents[] = {
		{"directory", open(".", O_RDONLY)}, {"file", open("file", O_RDONLY)}, {"device", open("/dev/null", O_RDONLY)},
		{"file of /proc", open("/proc/self/comm", O_RDONLY)}, {"pipe", ends[0]}, {"socket", pair[0]},
		{"memory", syscall(356, "m", 0)}, {"namespace", open("/proc/self/ns/uts", O_RDONLY)}, {"eventfd", syscall(328, 0, 0)},
		{"epoll", syscall(329, 0)}, {"process", syscall(434, getpid(), 0)}, {"ruleset", fd}, {"closed", 99},
	};
	for (int i = 0; i < sizeof parents / sizeof *parents; i++) {
		struct {
			uint64_t access;
			int parent;
		} __attribute__((packed)) rule = { READ, parents[i].fd };
		say(parents[i].what, syscall(445, fd, 1, &rule, 0));
		rule.access = READ | READ_DIR;
		say("its directories", syscall(445, fd, 1, &rule, 0));
		rule.parent = other;
		say("for it", parents[i].fd == fd ? 0 : syscall(445, parents[i].fd, 1, &rule, 0));
		if (parents[i].fd != fd)
			close(parents[i].fd);
	}
	close(fd);
	close(other);
}

static void files(void)
{
	char text[10];
	int fd = create(ALL, 0, 0), before = open("free/old", O_RDWR);
	allow(fd, "free", ALL);
	allow(fd, "half", READ | READ_DIR | MAKE_REG);
	allow(fd, "closed/but", READ | WRITE);
	if (inside(fd)) {
		say("open", open("free/old", O_RDWR));
		say("create", open("free/new", O_CREAT | O_RDWR, 0600));
		say("truncate", truncate("free/old", 1));
		say("read", open("half/file", O_RDONLY));
		say("write", open("half/file", O_WRONLY));
		say("create", open("half/new", O_CREAT | O_RDONLY, 0600));
		say("create to write", open("half/newer", O_CREAT | O_WRONLY, 0600));
		say("it is there", access("half/newer", F_OK));
		say("truncate", truncate("half/file", 1));
		say("open with it", open("half/file", O_RDONLY | O_TRUNC));
		say("list", open("half", O_RDONLY | O_DIRECTORY));
		say("unlink", unlink("half/file"));
		say("mkdir", mkdir("half/dir", 0700));
		say("symlink", symlink("x", "half/link"));
		say("fifo", mkfifo("half/fifo", 0600));
		say("node", mknod("half/node", S_IFCHR | 0600, 0x103));
		say("rename", rename("half/file", "half/other"));
		say("link", link("half/file", "half/other"));
		say("what is closed", open("closed/file", O_RDONLY));
		say("a file in it", open("closed/but", O_RDWR));
		say("truncate it", ftruncate(open("closed/but", O_RDWR), 1));
		say("list it", open("closed", O_RDONLY | O_DIRECTORY));
		say("rmdir", rmdir("closed/dir"));
		say("stat", access("closed/file", R_OK));
		say("by a place", open("closed/file", O_PATH));
		say("chmod", chmod("closed/file", 0644));
		say("chdir", chdir("closed"));
		say("up", chdir(".."));
		say("an old descriptor", ftruncate(before, 3));
		say("execute", execl("closed/file", "file", (char *)0));
		say("mount", mount("none", "free", "tmpfs", 0, 0));
		say("umount", umount("free"));
		say("a device", open("/dev/null", O_WRONLY));
		int sock = socket(AF_UNIX, SOCK_STREAM, 0);
		struct sockaddr_un name = { AF_UNIX, "half/sock" };
		say("bind", bind(sock, (void *)&name, sizeof name));
		fflush(stdout);
		_exit(0);
	}
	close(fd);
	/* what may be done with a device */
	fd = create(IOCTL_DEV, 0, 0);
	int random = open("/dev/urandom", O_RDONLY), n;
	if (inside(fd)) {
		say("ioctl of an old one", ioctl(random, 0x80045200, &n));
		random = open("/dev/urandom", O_RDONLY);
		say("ioctl of a device", ioctl(random, 0x80045200, &n));
		say("ioctl of any", ioctl(random, FIOCLEX));
		fflush(stdout);
		_exit(0);
	}
	close(fd);
}

static void names(void)
{
	/* without REFER nothing leaves its directory, though all is allowed */
	int fd = create(MAKE_REG, 0, 0);
	allow(fd, ".", MAKE_REG);
	if (inside(fd)) {
		say("rename in place", rename("free/old", "free/older"));
		say("back", rename("free/older", "free/old"));
		say("rename away", rename("free/old", "half/old"));
		say("link away", link("free/old", "half/old"));
		fflush(stdout);
		_exit(0);
	}
	close(fd);
	fd = create(MAKE_REG | MAKE_DIR | REMOVE | REFER | READ | WRITE, 0, 0);
	allow(fd, "free", MAKE_REG | MAKE_DIR | REMOVE | REFER | READ);
	allow(fd, "half", MAKE_REG | MAKE_DIR | REMOVE | REFER | READ | WRITE);
	allow(fd, "closed", READ);
	if (inside(fd)) {
		say("to where more is allowed", rename("free/old", "half/old"));
		say("to where less is allowed", rename("half/file", "free/file"));
		say("link to where more is allowed", link("free/file", "half/file"));
		say("to where nothing is", rename("free/file", "closed/file"));
		say("from there", rename("closed/file", "free/file"));
		say("in exchange", syscall(SYS_renameat2, AT_FDCWD, "free/file", AT_FDCWD, "half/newer", 2));
		fflush(stdout);
		_exit(0);
	}
	rename("free/file", "half/file");
	close(fd);
	/* a second layer takes from what the first left */
	fd = create(READ, 0, 0);
	allow(fd, "free", READ);
	allow(fd, "half", READ);
	if (inside(fd)) {
		int second = create(READ, 0, 0);
		allow(second, "half", READ);
		say("before", open("free/old", O_RDONLY));
		syscall(446, second, 0);
		say("after", open("free/old", O_RDONLY));
		say("both", open("half/file", O_RDONLY));
		fflush(stdout);
		_exit(0);
	}
	close(fd);
}

static void *pause_it(int *pid)
{
	*pid = fork();
	if (!*pid) {
		pause();
		_exit(0);
	}
	return 0;
}

static void reach(void)
{
	struct sockaddr_un name = { AF_UNIX };
	int outside, within, fd = create(0, 0, 3), sock = socket(AF_UNIX, SOCK_STREAM, 0);
	int size = offsetof(struct sockaddr_un, sun_path) + sprintf(name.sun_path + 1, "landlock %d", getpid()) + 1;
	bind(sock, (void *)&name, size);
	listen(sock, 5);
	pause_it(&outside);
	struct sockaddr_un to = name;
	to.sun_path[1] = 'D';
	int datagram = socket(AF_UNIX, SOCK_DGRAM, 0), receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
	bind(receiver, (void *)&to, size);
	say("datagram", sendto(datagram, "x", 1, 0, (void *)&to, size));
	if (inside(fd)) {
		int mine = socket(AF_UNIX, SOCK_STREAM, 0), peer = socket(AF_UNIX, SOCK_STREAM, 0);
		pause_it(&within);
		say("signal outside", kill(outside, 0));
		say("signal within", kill(within, SIGKILL));
		say("signal oneself", kill(getpid(), 0));
		say("connect outside", connect(mine, (void *)&name, size));
		name.sun_path[1] = 'L';
		bind(peer, (void *)&name, size);
		listen(peer, 5);
		say("connect within", connect(mine, (void *)&name, size));
		say("datagram outside", sendto(datagram, "x", 1, 0, (void *)&to, size));
		wait(0);
		fflush(stdout);
		_exit(0);
	}
	close(fd);
	fd = create(READ, 0, 0);
	if (inside(fd)) {
		pause_it(&within);
		say("trace outside", ptrace(PTRACE_SEIZE, outside, 0, 0));
		say("trace within", ptrace(PTRACE_SEIZE, within, 0, 0));
		kill(within, SIGKILL);
		fflush(stdout);
		_exit(0);
	}
	say("signal from outside", kill(outside, SIGKILL));
	wait(0);
}

static void modules(void)
{
	uint64_t ids[32];
	uint32_t size = sizeof ids;
	long n = syscall(461, ids, &size, 0);
	printf("%d %d\n", n > 0, size == n * 8);
	size = 1;
	say("no room", syscall(461, ids, &size, 0));
	printf("%d\n", size == n * 8);
	say("flags", syscall(461, ids, &size, 1));
	say("no size", syscall(461, ids, 0, 0));
	say("nowhere", syscall(461, 0, &size, 0));
}

int main(void)
{
	char dir[] = "/tmp/landlock.XXXXXX", command[100];
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	if (!mkdtemp(dir) || chdir(dir))
		return 77;
	for (char *p = "free\0half\0closed\0"; *p; p += strlen(p) + 1)
		mkdir(p, 0755);
	mkdir("closed/dir", 0755);
	for (char *p = "file\0free/old\0half/file\0closed/file\0closed/but\0"; *p; p += strlen(p) + 1) {
		int fd = open(p, O_CREAT | O_WRONLY, 0755);
		write(fd, "#!/x\n", 5);
		close(fd);
	}
	rulesets();
	files();
	names();
	reach();
	modules();
	fflush(stdout);
	return 0;
}
