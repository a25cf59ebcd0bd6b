/* inotify: which events follow from what is done to files, in which order. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int in;

static void is(const char *what, int result)
{
	printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : result ? "a number" : "0");
}

/* What has happened since, and whether the cookies of a renaming are one. */
static void show(const char *what)
{
	static char buf[8192];
	int n = read(in, buf, sizeof buf);
	unsigned cookie = 0;
	printf("%s:", what);
	if (n < 0)
		printf(" %s", strerrorname_np(errno));
	for (int at = 0; at < n;) {
		struct inotify_event *e = (void *)(buf + at);
		printf(" %d:%#x:%s:%u", e->wd, e->mask, e->len ? e->name : "", e->len);
		if (e->cookie)
			printf(e->mask & IN_MOVED_TO ? e->cookie == cookie ? ":same" : ":other" : ":cookie");
		cookie = e->cookie;
		at += sizeof *e + e->len;
	}
	puts("");
}

static void put(const char *name, int flags)
{
	int fd = open(name, O_CREAT | O_WRONLY | flags, 0644);
	write(fd, "hello", 5);
	close(fd);
}

static void files(void)
{
	char buf[20];
	struct iovec v = {buf, 3};
	is("watch .", inotify_add_watch(in, ".", IN_ALL_EVENTS));
	put("a", 0);
	show("created and written");
	is("watch a", inotify_add_watch(in, "a", IN_ALL_EVENTS));
	int fd = open("a", O_RDWR);
	read(fd, buf, 3), readv(fd, &v, 1), pread(fd, buf, 3, 0);
	show("read");
	read(fd, buf, 20), read(fd, buf, 20);
	write(fd, "x", 1), pwritev(fd, &v, 1, 0);
	ftruncate(fd, 3);
	fallocate(fd, 0, 0, 100);
	show("written");
	fchmod(fd, 0600), fchown(fd, 0, 0), futimens(fd, 0);
	show("changed");
	struct timespec t[2] = {{1, 0}, {0, UTIME_OMIT}};
	utimensat(AT_FDCWD, "a", t, 0);
	t[0].tv_nsec = UTIME_OMIT, t[1].tv_nsec = 0;
	utimensat(AT_FDCWD, "a", t, 0);
	truncate("a", 1);
	show("times and a size");
	if (setxattr("a", "user.x", "y", 1, 0))
		puts("no attributes");
	show("an attribute");
	close(fd);
	show("closed");
	put("a", O_TRUNC);
	show("truncated");
	fd = open("a", O_PATH);
	close(fd);
	fd = open("a", O_RDONLY);
	int to = open("b", O_CREAT | O_WRONLY, 0600);
	show("opened");
	sendfile(to, fd, 0, 5);
	show("sent");
	close(fd), close(to);
	show("both closed");
}

static void names(void)
{
	link("a", "c");
	show("linked");
	rename("c", "d");
	show("renamed");
	chmod("d", 0640);
	show("changed by the other name");
	rename("b", "d");
	show("renamed onto it");
	rename("a", "e");
	show("the watched one renamed");
	symlink("e", "s");
	show("a symbolic link");
	is("watch it", inotify_add_watch(in, "s", IN_ALL_EVENTS | IN_DONT_FOLLOW));
	unlink("s");
	show("that unlinked");
	int fd = open("e", O_RDWR);
	show("opened");
	unlink("e");
	show("unlinked while it is open");
	write(fd, "x", 1);
	close(fd);
	show("closed for good");
	mknod("fifo 0", S_IFIFO | 0600, 0);
	mkdir("sub", 0700);
	show("made");
	is("watch sub", inotify_add_watch(in, "sub", IN_ALL_EVENTS | IN_ONLYDIR));
	put("sub/x", 0);
	rename("sub/x", "x");
	show("moved up");
	renameat2(AT_FDCWD, "x", AT_FDCWD, "d", 2);
	show("exchanged");
	rename("sub", "dir");
	show("the directory renamed");
	fd = open("dir", O_RDONLY | O_DIRECTORY);
	close(fd);
	chmod("dir", 0755);
	show("and opened");
	rmdir("dir");
	show("and removed");
}

static void rules(void)
{
	int n = -1;
	is("no event", inotify_add_watch(in, ".", 0));
	is("no such file", inotify_add_watch(in, "nowhere", IN_OPEN));
	is("no directory", inotify_add_watch(in, "d", IN_OPEN | IN_ONLYDIR));
	is("again for new only", inotify_add_watch(in, ".", IN_OPEN | IN_MASK_CREATE));
	is("both", inotify_add_watch(in, ".", IN_OPEN | IN_MASK_CREATE | IN_MASK_ADD));
	is("another file", inotify_add_watch(1, ".", IN_OPEN));
	is("no file", inotify_add_watch(99, ".", IN_OPEN));
	is("flags", inotify_init1(1));
	is("no such watch", inotify_rm_watch(in, 99));
	is("less of .", inotify_add_watch(in, ".", IN_CREATE));
	put("f", 0);
	show("one event only");
	inotify_add_watch(in, ".", IN_DELETE | IN_MASK_ADD);
	put("g", 0), unlink("g");
	ioctl(in, FIONREAD, &n);
	printf("%d bytes\n", n);
	struct pollfd p = {in, POLLIN};
	printf("poll %d\n", poll(&p, 1, 0));
	char small[20];
	is("too small a buffer", read(in, small, 20));
	show("added");
	printf("poll %d\n", poll(&p, 1, 0));
	int w = inotify_add_watch(in, "f", IN_MODIFY | IN_ONESHOT);
	put("f", 0), put("f", 0);
	show("once");
	is("gone", inotify_rm_watch(in, w));
	inotify_add_watch(in, "f", IN_MODIFY);
	for (int i = 0; i < 3; i++)
		put("f", 0);
	show("three are one");
	inotify_rm_watch(in, inotify_add_watch(in, ".", IN_CREATE));
	show("removed");
	inotify_add_watch(in, ".", IN_MODIFY | IN_EXCL_UNLINK);
	int fd = open("f", O_WRONLY);
	write(fd, "x", 1);
	show("a file of the directory");
	unlink("f");
	write(fd, "x", 1);
	show("that is one no more");
	close(fd);
	show("last close");
	mkdir("m", 0700);
	mount("none", "m", "tmpfs", 0, 0);
	inotify_add_watch(in, "m", IN_CREATE);
	put("m/x", 0);
	umount("m");
	show("unmounted");
	fcntl(in, F_SETFL, 0);
	if (!fork()) {
		usleep(20000);
		put("late", 0);
		_exit(0);
	}
	show("waited for");
	wait(0);
	setresuid(1000, 1000, 1000);
	mkdir("closed", 0);
	is("not to be read", inotify_add_watch(in, "closed", IN_OPEN));
}

/* Programs and scripts that are executed, pipes with names, files without. */
static void others(const char *self)
{
	static char b[65536];
	int n, from = open(self, O_RDONLY), fd = open("copy", O_CREAT | O_WRONLY, 0755);
	while ((n = read(from, b, sizeof b)) > 0)
		write(fd, b, n);
	close(fd), close(from);
	fd = open("script", O_CREAT | O_WRONLY, 0755);
	write(fd, "#!./copy x\n", 11), close(fd);
	fd = open("no program", O_CREAT | O_WRONLY, 0755);
	write(fd, "?", 1), close(fd);
	in = inotify_init1(IN_NONBLOCK);
	inotify_add_watch(in, ".", IN_ALL_EVENTS);
	const char *run[] = {"./copy", "./script", "./no program"};
	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			execl(run[i], "copy", "x", NULL);
			_exit(1);
		}
		wait(0);
		show(run[i]);
	}
	mkfifo("fifo", 0600);
	fd = open("fifo", O_RDWR);
	write(fd, "x", 1), read(fd, b, 1), close(fd);
	show("a pipe with a name");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	char self[300] = "";
	readlink("/proc/self/exe", self, sizeof self - 1);
	char dir[] = "/tmp/inotify.XXXXXX";
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || chmod(dir, 0777) || chdir(dir))
		return 1;
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	is("init", in);
	show("nothing");
	files();
	names();
	others(self);
	rules();
	return 0;
}
