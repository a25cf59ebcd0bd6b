/* File systems in steps (fsopen … fsmount), trees of mounts by descriptors, attributes, and what statmount tells. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EMPTY 0x1000
#define BOTH_EMPTY 0x44

struct attr {
	uint64_t set, clr, propagation, userns;
};

static struct {
	uint32_t size, opts;
	uint64_t mask;
	uint32_t major, minor;
	uint64_t magic;
	uint32_t flags, type;
	uint64_t id, parent;
	uint32_t id_old, parent_old;
	uint64_t attr, propagation, peer, master, from;
	uint32_t root, point;
	uint64_t ns;
	uint32_t subtype, source, opt_num, opt_array, sec_num, sec_array;
	uint64_t supported;
	uint64_t spare[45];
	char str[512];
} sm;

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %s %d\n", what, r < 0 ? "no" : "yes", r < 0 ? e : 0);
	return r;
}

static void log_of(int fd)
{
	char text[200];
	long n = read(fd, text, sizeof text - 1);
	if (n < 0)
		printf("log: %d\n", errno);
	else
		printf("log: %.*s\n", (int)n, text);
}

static int config(int fd, int cmd, const char *key, const void *value, int aux)
{
	return syscall(431, fd, cmd, key, value, aux);
}

static int setattr(const char *path, int flags, uint64_t set, uint64_t clr, uint64_t kind)
{
	struct attr a = { set, clr, kind, 0 };
	return syscall(442, AT_FDCWD, path, flags, &a, sizeof a);
}

static uint64_t id_of(const char *path, int unique)
{
	struct statx sx;
	statx(AT_FDCWD, path, 0, unique ? 0x4000 : 0x1000, &sx);
	return *(uint64_t *)((char *)&sx + 144);
}

static long statmount_of(uint64_t id, uint64_t mask, size_t room)
{
	struct {
		uint32_t size, fd;
		uint64_t id, param, ns;
	} req = { 24, 0, id, mask, 0 };
	memset(&sm, 0, sizeof sm);
	return syscall(457, &req, &sm, room, 0);
}

static void tell(const char *path, uint64_t mask)
{
	if (say("statmount", statmount_of(id_of(path, 1), mask, sizeof sm)))
		return;
	printf("  size %d mask %llx magic %llx ro %d attr %llx propagation %llx\n", mask & 0x80 ? 0 : sm.size,
	       sm.mask & ~0x80ull, sm.magic, sm.flags, sm.attr, sm.propagation);
	printf("  its id %d, old one %d, peers %d, master %d\n", sm.id == id_of(path, 1),
	       sm.id_old == id_of(path, 0), sm.peer != 0, sm.master != 0);
	printf("  %s|%s|%s\n", sm.str + sm.type, sm.str + sm.root, sm.str + sm.source);
}

/* what the tables say of a mount: flags and company, without numbers */
static void table(const char *dir, const char *name)
{
	char line[1000], place[300], want[300], opts[200], more[300];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	sprintf(want, "%s/%s", dir, name);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*s %*s %*s %*s %299s %199s %299[^\n]", place, opts, more) != 3 || strcmp(place, want))
			continue;
		char *dash = strstr(more, "- ");
		int shared = !!strstr(more, "shared:"), master = !!strstr(more, "master:");
		char *inode = strstr(dash, ",inode64");
		if (inode)
			memmove(inode, inode + 8, strlen(inode + 8) + 1);
		printf("%s: %s shared %d master %d unbindable %d %s\n", name, opts, shared, master,
		       !!strstr(more, "unbindable"), dash);
	}
	fclose(f);
}

static void steps(const char *dir)
{
	char text[20];
	say("fsopen flag", syscall(430, "tmpfs", 2));
	say("fsopen of nothing", syscall(430, "nosuchfs", 0));
	int fd = say("fsopen", syscall(430, "tmpfs", 1)) < 0 ? -1 : 0;
	for (fd = 3; fcntl(fd, F_GETFD) < 0; fd++)
		;
	printf("cloexec %d\n", fcntl(fd, F_GETFD));
	log_of(fd);
	say("no fd", config(-1, 1, "size", "1m", 0));
	say("bad fd", config(77, 1, "size", "1m", 0));
	say("another file", config(0, 6, 0, 0, 0));
	say("no such command", config(fd, 99, 0, 0, 0));
	say("string without value", config(fd, 1, "size", 0, 0));
	say("flag with value", config(fd, 0, "ro", "x", 0));
	say("create with key", config(fd, 6, "x", 0, 0));
	say("unknown", config(fd, 1, "nonsense", "1", 0));
	log_of(fd);
	say("bad size", config(fd, 1, "size", "1x", 0));
	log_of(fd);
	say("size as flag", config(fd, 0, "size", 0, 0));
	log_of(fd);
	say("size", config(fd, 1, "size", "1m", 0));
	say("mode", config(fd, 1, "mode", "0700", 0));
	say("bad mode", config(fd, 1, "mode", "9", 0));
	log_of(fd);
	say("source as flag", config(fd, 0, "source", 0, 0));
	log_of(fd);
	say("no key", config(fd, 1, "", "x", 0));
	log_of(fd);
	say("source", config(fd, 1, "source", "the source", 0));
	say("source again", config(fd, 1, "source", "other", 0));
	log_of(fd);
	say("flag", config(fd, 0, "sync", 0, 0));
	say("mount too early", syscall(432, fd, 0, 0));
	say("reconfigure too early", config(fd, 7, 0, 0, 0));
	say("create", config(fd, 6, 0, 0, 0));
	say("create again", config(fd, 6, 0, 0, 0));
	say("parameter too late", config(fd, 1, "size", "2m", 0));
	say("mount flag", syscall(432, fd, 2, 0));
	say("mount attribute", syscall(432, fd, 0, 0x1000));
	say("mount of a file", syscall(432, 0, 0, 0));
	say("both times", syscall(432, fd, 0, 0x70));
	int mfd = syscall(432, fd, 1, 0x2 | 0x8 | 0x10);
	say("fsmount", mfd);
	say("again", syscall(432, fd, 0, 0));
	say("read of it", read(mfd, text, 1));
	close(say("a file in it", openat(mfd, "early", O_CREAT | O_WRONLY, 0600)));
	say("move", syscall(429, mfd, "", AT_FDCWD, "a", 4));
	say("move again", syscall(429, mfd, "", AT_FDCWD, "b", 4));
	say("and back", syscall(429, AT_FDCWD, "b", AT_FDCWD, "a", 0));
	table(dir, "a");
	say("it is there", access("a/early", F_OK));
	say("reconfigure", config(fd, 0, "ro", 0, 0));
	say("in force", config(fd, 7, 0, 0, 0));
	table(dir, "a");
	close(fd);
	fd = syscall(433, AT_FDCWD, "a", 0);
	say("fspick", fd);
	say("fspick of a directory", syscall(433, AT_FDCWD, "/tmp/..///etc", 0));
	say("fspick flag", syscall(433, AT_FDCWD, "a", 16));
	say("create there", config(fd, 6, 0, 0, 0));
	say("rw", config(fd, 0, "rw", 0, 0));
	say("in force", config(fd, 7, 0, 0, 0));
	say("mount of a picked one", syscall(432, fd, 0, 0));
	table(dir, "a");
	close(fd);
	/* one that is never moved goes with its descriptor */
	fd = syscall(430, "tmpfs", 0);
	config(fd, 6, 0, 0, 0);
	int lost = syscall(432, fd, 0, 0);
	say("lost", mkdirat(lost, "d", 0700));
	close(lost);
	say("lost as well", faccessat(lost, "d", F_OK, 0));
	close(fd);
}

static void trees(const char *dir)
{
	say("flag", syscall(428, AT_FDCWD, "a", 4));
	say("recursive alone", syscall(428, AT_FDCWD, "a", 0x8000));
	int fd = say("no clone", syscall(428, AT_FDCWD, "a", O_CLOEXEC)) < 0 ? -1 : 0;
	mkdir("a/below", 0755);
	mount("below", "a/below", "tmpfs", 0, "size=64k");
	close(open("a/below/file", O_CREAT | O_WRONLY, 0600));
	fd = syscall(428, AT_FDCWD, "a", 1);
	say("one", faccessat(fd, "below/file", F_OK, 0));
	say("directory of a clone", mkdirat(fd, "made", 0700));
	close(fd);
	fd = syscall(428, AT_FDCWD, "a", 0x8001);
	say("all", faccessat(fd, "below/file", F_OK, 0));
	say("onto itself", syscall(429, AT_FDCWD, "a", AT_FDCWD, "a/below", 0));
	say("move flags", syscall(429, fd, "", AT_FDCWD, "b", 0x1004));
	say("both", syscall(429, fd, "", AT_FDCWD, "b", 0x304));
	say("on a file", syscall(429, fd, "", AT_FDCWD, "file", 4));
	say("part of it", syscall(429, fd, "below", AT_FDCWD, "b", 0));
	say("move", syscall(429, fd, "", AT_FDCWD, "b", 4));
	table(dir, "b");
	table(dir, "b/below");
	say("busy by the descriptor", umount2("b", 0));
	close(fd);
	say("busy by what is below", umount2("b", 0));
	say("lazily", umount2("b", MNT_DETACH));
	mount("upper", "b", "tmpfs", 0, 0);
	close(open("b/upper", O_CREAT | O_WRONLY, 0600));
	fd = syscall(428, AT_FDCWD, "a", 1);
	say("beneath", syscall(429, fd, "", AT_FDCWD, "b", 0x204));
	say("beneath no mount", syscall(429, AT_FDCWD, "a", AT_FDCWD, "c", 0x200));
	close(fd);
	say("still", access("b/upper", F_OK));
	say("away", umount2("b", 0));
	say("now", access("b/early", F_OK));
	say("away", umount2("b", 0));
	umount2("a/below", 0);
}

static void attributes(const char *dir)
{
	struct statfs f;
	char room[64] = { 0 };
	say("flag", setattr("a", 1, 1, 0, 0));
	say("short", syscall(442, AT_FDCWD, "a", 0, room, 16));
	say("long", syscall(442, AT_FDCWD, "a", 0, room, 5000));
	room[40] = 1;
	say("more than known", syscall(442, AT_FDCWD, "a", 0, room, 64));
	say("nothing", setattr("nowhere", 0, 0, 0, 0));
	say("nowhere", setattr("nowhere", 0, 1, 0, 0));
	say("no mount", setattr("c", 0, 1, 0, 0));
	say("unknown", setattr("a", 0, 0x400, 0, 0));
	say("two kinds", setattr("a", 0, 0, 0, MS_SHARED | MS_PRIVATE));
	say("no kind", setattr("a", 0, 0, 0, 1));
	say("time without clearing", setattr("a", 0, 0x20, 0, 0));
	say("half", setattr("a", 0, 0x20, 0x10, 0));
	say("strictatime", setattr("a", 0, 0x20, 0x70, 0));
	table(dir, "a");
	say("others", setattr("a", 0, 0x80 | 0x4 | 0x200000, 0x8, 0));
	table(dir, "a");
	statfs("a", &f);
	printf("statfs %lx\n", f.f_flags & ~0x20);
	symlink("early", "a/link");
	say("nosymfollow", open("a/link", O_RDONLY));
	say("node", mknod("a/null", S_IFCHR | 0666, 0x103));
	say("nodev", open("a/null", O_RDONLY));
	int fd = open("a/early", O_RDWR);
	say("read-only while written", setattr("a", 0, 1, 0, 0));
	close(fd);
	say("read-only", setattr("a", 0, 1, 0, 0));
	say("write", open("a/early", O_RDWR));
	say("create", open("a/new", O_CREAT | O_RDWR, 0600));
	say("mkdir", mkdir("a/new", 0700));
	say("unlink", unlink("a/early"));
	say("unlink of nothing", unlink("a/nothing"));
	say("rename", rename("a/early", "a/late"));
	say("link", link("a/early", "a/late"));
	say("chmod", chmod("a/early", 0));
	say("chown", chown("a/early", 0, 0));
	say("truncate", truncate("a/early", 0));
	say("utimes", utimensat(AT_FDCWD, "a/early", 0, 0));
	say("setxattr", syscall(SYS_setxattr, "a/early", "trusted.x", "1", 1, 0));
	say("access", access("a/early", W_OK));
	fd = open("a/early", O_RDONLY);
	say("fchmod", fchmod(fd, 0));
	close(fd);
	say("bind", mount("a", "b", 0, MS_BIND, 0));
	say("other flags there", mount(0, "b", 0, MS_REMOUNT | MS_BIND | MS_NOEXEC, 0));
	table(dir, "a");
	table(dir, "b");
	say("write there", open("b/early", O_RDWR | O_CLOEXEC));
	chmod("b/early", 0755);
	say("execute there", access("b/early", X_OK));
	say("execute", execl("b/early", "early", (char *)0));
	umount2("b", MNT_DETACH);
	say("writable again", setattr("a", 0, 0, 1 | 0x4 | 0x80 | 0x200000, 0));
	table(dir, "a");
}

static void numbers(const char *dir)
{
	uint64_t ids[64];
	struct {
		uint32_t size, fd;
		uint64_t id, param, ns;
	} req = { 24, 0, -1ull, 0, 0 };
	tell("a", 1 | 2 | 8 | 0x20 | 0x200 | 0x1000);
	tell("a", 0);
	tell(dir, 2);
	say("no string fits", statmount_of(id_of("a", 1), 0x20, 512));
	say("cut", statmount_of(id_of("a", 1), 2, 48));
	say("no such", statmount_of(id_of("a", 1) + 1000, 2, sizeof sm));
	say("an old number", statmount_of(id_of("a", 0), 2, sizeof sm));
	say("flags", syscall(457, &req, &sm, sizeof sm, 1));
	say("no request", syscall(457, 0, &sm, sizeof sm, 0));
	long n = syscall(458, &req, ids, 64, 0);
	int sorted = 1, found = 0;
	for (int i = 0; i < n; i++) {
		sorted &= !i || ids[i] > ids[i - 1];
		found += ids[i] == id_of("a", 1);
	}
	printf("listmount: sorted %d, found %d\n", sorted, found);
	req.param = ids[n - 2];
	printf("behind it: %ld\n", syscall(458, &req, ids, 64, 0));
	req.param = 0;
	req.id = id_of("a", 1);
	printf("below a: %ld\n", syscall(458, &req, ids, 64, 0));
	mkdir("a/d", 0755);
	mount("x", "a/d", "tmpfs", 0, 0);
	printf("below a: %ld %d\n", syscall(458, &req, ids, 64, 0), ids[0] == id_of("a/d", 1));
	umount("a/d");
	say("flags", syscall(458, &req, ids, 64, 2));
	req.size = 8;
	say("short", syscall(458, &req, ids, 64, 0));
	req.size = 24;
	req.param = 5;
	say("param", syscall(458, &req, ids, 64, 0));
	req.param = 0;
	req.id = 0;
	say("no id", syscall(458, &req, ids, 64, 0));
	say("too many", syscall(458, &req, ids, 2000000, 0));
}

int main(void)
{
	char dir[] = "/tmp/mountapi.XXXXXX";
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || chdir(dir) || unshare(CLONE_NEWNS))
		return 77;
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	mount("none", dir, "tmpfs", 0, 0);
	chdir(dir);
	mkdir("a", 0755);
	mkdir("b", 0755);
	mkdir("c", 0755);
	close(open("file", O_CREAT | O_WRONLY, 0644));
	steps(dir);
	trees(dir);
	attributes(dir);
	numbers(dir);
	setuid(1000);
	say("fsopen for nobody", syscall(430, "tmpfs", 0));
	say("fspick for nobody", syscall(433, AT_FDCWD, "a", 0));
	say("open_tree for nobody", syscall(428, AT_FDCWD, dir, 1));
	say("move_mount for nobody", syscall(429, AT_FDCWD, dir, AT_FDCWD, "b", 0));
	say("mount_setattr for nobody", setattr(dir, 0, 1, 0, 0));
	return 0;
}
