/* Flags of inodes of a tmpfs: who may set which, and what they forbid. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYNC = 8, IMMUTABLE = 0x10, APPEND = 0x20, NODUMP = 0x40, NOATIME = 0x80 };
#define GET 0x80046601
#define SET 0x40046602
#define GETX 0x801c581f
#define SETX 0x401c5820

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %s %d\n", what, r < 0 ? "no" : "yes", r < 0 ? e : 0);
	return r;
}

static int set(const char *path, int flags)
{
	int fd = open(path, O_RDONLY), r = ioctl(fd, SET, &flags), e = errno;
	close(fd);
	errno = e;
	return r;
}

static void tell(const char *path)
{
	int fd = open(path, O_RDONLY), flags = -1;
	uint32_t x[7] = { -1 };
	struct statx sx = { 0 };
	ioctl(fd, GET, &flags);
	ioctl(fd, GETX, x);
	statx(AT_FDCWD, path, 0, 0x7ff, &sx);
	close(fd);
	printf("flags %x x %x statx %llx of %llx\n", flags, x[0], sx.stx_attributes & 0x70, sx.stx_attributes_mask & 0x70);
}

static void tries(const char *what)
{
	int fd;
	printf("-- %s\n", what);
	say("write", open("d/f", O_WRONLY));
	fd = open("d/f", O_WRONLY | O_APPEND);
	say("append", fd);
	if (fd >= 0) {
		say("truncate it", ftruncate(fd, 0));
		say("no append", fcntl(fd, F_SETFL, 0));
		say("room", fallocate(fd, 0, 0, 10));
		say("room behind", fallocate(fd, 1, 0, 10));
		close(fd);
	}
	say("read", open("d/f", O_RDONLY));
	say("empty it", open("d/f", O_RDONLY | O_TRUNC));
	say("truncate", truncate("d/f", 0));
	say("chmod", chmod("d/f", 0600));
	say("chown", chown("d/f", 0, 0));
	say("now", utimensat(AT_FDCWD, "d/f", 0, 0));
	struct timespec then[2] = { { 1, 0 }, { 2, 0 } };
	say("then", utimensat(AT_FDCWD, "d/f", then, 0));
	say("attribute", syscall(SYS_setxattr, "d/f", "trusted.x", "1", 1, 0));
	say("access", access("d/f", W_OK));
	say("link", link("d/f", "d/g"));
	say("rename", rename("d/f", "d/h"));
	say("unlink", unlink("d/f"));
	say("over it", rename("d/other", "d/f"));
	say("make", open("d/new", O_CREAT | O_WRONLY, 0600));
	say("mkdir", mkdir("d/sub", 0700));
	say("take", unlink("d/new"));
}

static void made(void)
{
	set("d", 0);
	set("d/f", 0);
	unlink("d/g");
	unlink("d/h");
	rmdir("d/sub");
	for (char *p = "d/f\0d/other\0"; *p; p += strlen(p) + 1) {
		int fd = open(p, O_CREAT | O_WRONLY, 0644);
		write(fd, "text", 4);
		close(fd);
	}
}

int main(void)
{
	char dir[] = "/tmp/flags.XXXXXX";
	uint32_t x[7] = { 0 };
	struct {
		uint64_t flags;
		uint32_t extsize, extents, project, cow;
	} attr = { 0x80 };
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || unshare(CLONE_NEWNS))
		return 77;
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	mount("none", dir, "tmpfs", 0, 0);
	chdir(dir);
	mkdir("d", 0755);
	made();
	tell("d/f");
	say("unknown", set("d/f", 0x1000));
	say("sync", set("d/f", SYNC));
	say("several", set("d/f", NODUMP | NOATIME));
	tell("d/f");
	int fd = open("d/f", O_RDONLY);
	x[0] = 0x10;
	say("xattr", ioctl(fd, SETX, x));
	tell("d/f");
	x[1] = 4096;
	say("with a size", ioctl(fd, SETX, x));
	x[1] = 0;
	x[0] = 1;
	say("realtime", ioctl(fd, SETX, x));
	close(fd);
	fd = open("/dev/null", O_RDONLY);
	int flags;
	say("of a device", ioctl(fd, GET, &flags));
	close(fd);
	say("bad address", ioctl(open("d/f", O_RDONLY), GET, 1));
	set("d/f", IMMUTABLE);
	tries("immutable");
	set("d/f", 0);
	made();
	set("d/f", APPEND);
	tries("append-only");
	made();
	set("d", IMMUTABLE);
	tries("an immutable directory");
	made();
	set("d", APPEND);
	tries("an append-only directory");
	made();
	/* by path, where the kernel has it */
	if (syscall(469, AT_FDCWD, "d/f", &attr, sizeof attr, 0) == 0 || errno != ENOSYS) {
		memset(&attr, 1, sizeof attr);
		int r = syscall(468, AT_FDCWD, "d/f", &attr, sizeof attr, 0);
		printf("%d %llx %d\n", r, attr.flags, attr.extsize);
		say("flag", syscall(468, AT_FDCWD, "d/f", &attr, sizeof attr, 1));
		say("short", syscall(468, AT_FDCWD, "d/f", &attr, 8, 0));
		say("long", syscall(468, AT_FDCWD, "d/f", &attr, 5000, 0));
		say("device", syscall(468, AT_FDCWD, "/dev/null", &attr, sizeof attr, 0));
		say("nothing", syscall(468, AT_FDCWD, "nowhere", &attr, sizeof attr, 0));
		attr.flags = 1ull << 40;
		say("unknown", syscall(469, AT_FDCWD, "d/f", &attr, sizeof attr, 0));
		attr.flags = 1;
		say("realtime", syscall(469, AT_FDCWD, "d/f", &attr, sizeof attr, 0));
	}
	set("d/f", 0);
	chmod("d/f", 0666);
	setuid(1000);
	say("another's", set("d/f", NODUMP));
	mkdir("/tmp/../..", 0);
	return 0;
}
