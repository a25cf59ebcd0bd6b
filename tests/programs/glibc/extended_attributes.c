/* Extended attributes of a file in memory: names, flags, sizes, who may, and the *at forms. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
static void names(const char *what, const char *path)
{
	char b[500];
	ssize_t n = listxattr(path, b, sizeof b);
	printf("%s:", what);
	for (char *at = b; at < b + n; at += strlen(at) + 1)
		printf(" %s", at);
	printf(" (%zd)\n", n);
}

int main(void)
{
	char dir[] = "/dev/shm/xattr.XXXXXX", b[100], long_name[400];
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	mkdir("d", 0755), mkfifo("p", 0644), symlink("f", "l");
	memset(long_name, 'x', sizeof long_name), memcpy(long_name, "user.", 5);
	say("set", setxattr("f", "user.one", "first", 5, 0));
	say("create again", setxattr("f", "user.one", "x", 1, XATTR_CREATE));
	say("replace none", setxattr("f", "user.two", "x", 1, XATTR_REPLACE));
	say("both flags", setxattr("f", "user.one", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	say("a flag", setxattr("f", "user.one", "x", 1, 8));
	say("length", getxattr("f", "user.one", 0, 0));
	say("too small", getxattr("f", "user.one", b, 4));
	say("get", getxattr("l", "user.one", b, sizeof b));
	printf("%.5s\n", b);
	say("through a descriptor", fgetxattr(fd, "user.one", b, 5));
	say("of the link", lgetxattr("l", "user.one", b, 5));
	say("set on the link", lsetxattr("l", "user.x", "x", 1, 0));
	say("trusted on the link", lsetxattr("l", "trusted.x", "x", 1, 0));
	say("security on the link", lsetxattr("l", "security.x", "x", 1, 0));
	say("on a fifo", setxattr("p", "user.x", "x", 1, 0));
	say("fifo, read", getxattr("p", "user.x", b, 1));
	say("on a directory", setxattr("d", "user.x", "x", 1, 0));
	say("no name", setxattr("f", "", "x", 1, 0));
	say("only the space", setxattr("f", "user.", "x", 1, 0));
	say("no space", setxattr("f", "plain", "x", 1, 0));
	say("another space", setxattr("f", "other.x", "x", 1, 0));
	long_name[255] = 0;
	say("long name", setxattr("f", long_name, "x", 1, 0));
	say("remove it", removexattr("f", long_name));
	long_name[255] = 'x', long_name[256] = 0;
	say("longer name", setxattr("f", long_name, "x", 1, 0));
	say("too big", setxattr("f", "user.big", b, 65537, 0));
	say("empty", setxattr("f", "user.empty", 0, 0, 0));
	say("get empty", getxattr("f", "user.empty", b, sizeof b));
	say("missing", getxattr("f", "user.missing", b, 1));
	say("fault", getxattr("f", "user.one", (void *)1, 100));
	say("name fault", getxattr("f", (void *)1, b, 100));
	say("value fault", setxattr("f", "user.one", (void *)1, 9, 0));
	say("trusted", setxattr("f", "trusted.secret", "t", 1, 0));
	say("security", setxattr("f", "security.mine", "s", 1, 0));
	names("all", "f");
	say("list length", listxattr("f", 0, 0));
	say("list too small", listxattr("f", b, 3));
	say("flist", flistxattr(fd, b, sizeof b));
	say("llist", llistxattr("l", b, sizeof b));
	say("bad descriptor", fsetxattr(-1, "user.x", "x", 1, 0));
	say("no such file", setxattr("none", "user.x", "x", 1, 0));
	say("of proc", setxattr("/proc/self/status", "user.x", "x", 1, 0));
	say("list of proc", listxattr("/proc/self/status", b, sizeof b));
	say("remove", fremovexattr(fd, "user.empty"));
	say("remove again", removexattr("f", "user.empty"));
	say("of a link", lremovexattr("l", "trusted.x"));
	struct stat before, after;
	stat("f", &before);
	usleep(30000);
	setxattr("f", "user.one", "again", 5, XATTR_REPLACE);
	stat("f", &after);
	printf("changed: %d %d\n", after.st_mtim.tv_nsec == before.st_mtim.tv_nsec,
	       after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
	struct {
		uint64_t value;
		uint32_t size, flags;
	} args = {(uintptr_t) "at", 2, 0};
	int at = open(".", O_PATH);
	say("setxattrat", syscall(463, at, "f", 0, "user.at", &args, sizeof args));
	say("setxattrat flag", syscall(463, at, "f", 1, "user.at", &args, sizeof args));
	say("setxattrat size", syscall(463, at, "f", 0, "user.at", &args, 8));
	args.value = (uintptr_t)b, args.size = sizeof b;
	say("getxattrat", syscall(464, at, "f", 0, "user.at", &args, sizeof args));
	say("getxattrat empty", syscall(464, fd, "", 0x1000, "user.at", &args, sizeof args));
	args.flags = 1;
	say("getxattrat flags", syscall(464, at, "f", 0, "user.at", &args, sizeof args));
	say("listxattrat", syscall(465, at, "l", 0x100, b, sizeof b));
	say("removexattrat", syscall(466, at, "f", 0, "user.at"));
	chmod("f", 0600), chmod("d", 01777), chmod(".", 0755);
	if (fork() == 0) {
		setgid(65534), setuid(65534);
		say("not readable", getxattr("f", "user.one", b, sizeof b));
		say("not writable", setxattr("f", "user.one", "x", 1, 0));
		say("sticky", setxattr("d", "user.y", "y", 1, 0));
		say("trusted, other", getxattr("f", "trusted.secret", b, 1));
		say("set trusted, other", setxattr("f", "trusted.secret", b, 1, 0));
		say("security, other", getxattr("f", "security.mine", b, 9));
		say("set security, other", setxattr("f", "security.mine", b, 1, 0));
		say("remove security, other", removexattr("f", "security.mine"));
		say("remove trusted, other", removexattr("f", "trusted.secret"));
		names("list, other", "f");
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	unlink("f"), unlink("l"), unlink("p"), rmdir("d"), chdir("/");
	say("gone", rmdir(dir));
	return 0;
}
