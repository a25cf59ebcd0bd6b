/* Opening: O_PATH, O_TMPFILE, O_NOATIME, FIFOs, and who may; truncation, holes, times, directories. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}
static int ok(const char *what, long r)
{
	int e = errno;
	printf("%s: %d %d\n", what, r >= 0, r < 0 ? e : 0);
	return r;
}
static void nothing(int sig) {}

int main(void)
{
	char dir[] = "/tmp/open.XXXXXX", b[64];
	struct stat s;
	if (!mkdtemp(dir) || chdir(dir) || chmod(".", 0777))
		return 1;
	setvbuf(stdout, 0, _IOLBF, 0);
	umask(022);
	int fd = ok("create", open64("f", O_CREAT | O_RDWR | O_EXCL, 0666));
	write(fd, "0123456789", 10);
	ok("exclusive", open("f", O_CREAT | O_RDWR | O_EXCL, 0666));
	ok("directory of a file", open("f", O_DIRECTORY));
	ok("create a directory", open("d", O_CREAT | O_DIRECTORY, 0755));
	mkdir("d", 0755);
	ok("write a directory", open("d", O_WRONLY));
	ok("slash", open("f/", O_RDONLY));
	ok("create slash", open("g/", O_CREAT | O_WRONLY, 0644));
	symlink("f", "l");
	ok("nofollow", open("l", O_NOFOLLOW));
	int at = ok("path of a link", open("l", O_PATH | O_NOFOLLOW));
	say("its type", fstat(at, &s) ? -1 : (s.st_mode & S_IFMT) == S_IFLNK);
	say("its text", readlinkat(at, "", b, 10));
	int p = ok("path", open("f", O_PATH));
	say("read", read(p, b, 1));
	say("write", write(p, b, 1));
	say("lseek", lseek(p, 0, SEEK_SET));
	say("fchmod", fchmod(p, 0600));
	say("fchown", fchown(p, 0, 0));
	say("ftruncate", ftruncate(p, 0));
	say("ioctl", ioctl(p, 0x5401, b));
	say("getfl", fcntl(p, F_GETFL) & O_PATH);
	say("dup", dup(p) >= 0);
	say("fstat", fstat(p, &s));
	say("fsync", fsync(p));
	sprintf(b, "/proc/self/fd/%d", p);
	ok("through proc", open(b, O_RDONLY));
	int q = ok("path of a directory", open("d", O_PATH | O_DIRECTORY));
	ok("openat it", openat(q, "x", O_CREAT | O_WRONLY, 0644));
	say("getdents", syscall(SYS_getdents64, q, b, 64));
	say("fchdir", fchdir(q));
	say("back", chdir(".."));
	int t = ok("tmpfile", open("d", O_TMPFILE | O_RDWR, 0600));
	fstat(t, &s);
	printf("links %d, size %ld\n", (int)s.st_nlink, (long)s.st_size);
	sprintf(b, "/proc/self/fd/%d", t);
	say("named", linkat(AT_FDCWD, b, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	fstat(t, &s);
	printf("links %d\n", (int)s.st_nlink);
	t = ok("tmpfile exclusive", open("d", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	sprintf(b, "/proc/self/fd/%d", t);
	say("not named", linkat(AT_FDCWD, b, AT_FDCWD, "named2", AT_SYMLINK_FOLLOW));
	ok("tmpfile for reading", open("d", O_TMPFILE | O_RDONLY, 0600));
	ok("tmpfile in a file", open("f", O_TMPFILE | O_RDWR, 0600));

	/* size */
	say("truncate", truncate("f", 4));
	say("truncate back", truncate("f", 8));
	say("pread", pread(fd, b, 20, 0));
	printf("%d %d\n", b[3], b[4]);
	say("truncate negative", truncate("f", -1));
	say("truncate directory", truncate("d", 0));
	say("truncate missing", truncate("nothing", 0));
	int ro = open("f", O_RDONLY);
	say("ftruncate read only", ftruncate(ro, 0));
	say("large", ftruncate64(fd, 5LL << 30));
	fstat(fd, &s);
	struct stat64 s64;
	say("fstat small", syscall(SYS_fstat, fd, b));
	say("fstat64", fstat64(fd, &s64));
	printf("%lld %d\n", (long long)s64.st_size, s64.st_blocks < 100);
	say("data", lseek64(fd, 0, SEEK_DATA));
	say("hole", lseek64(fd, 0, SEEK_HOLE) > 0);
	say("end", lseek64(fd, 6LL << 30, SEEK_HOLE));
	say("data at the end", lseek64(fd, (5LL << 30) - 1, SEEK_DATA));
	ftruncate(fd, 10);
	say("fallocate", fallocate(fd, 0, 0, 20000));
	fstat(fd, &s);
	printf("size %ld, blocks %d\n", (long)s.st_size, s.st_blocks * 512 >= 20000);
	say("keep size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 40000));
	fstat(fd, &s);
	printf("size %ld\n", (long)s.st_size);
	pwrite(fd, "abcdefgh", 8, 8190);
	say("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4098));
	pread(fd, b, 8, 8190);
	printf("%d %d %d %c\n", b[0], b[1], b[3], b[4]);
	say("punch alone", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	say("nothing", fallocate(fd, 0, 0, 0));
	say("negative", fallocate(fd, 0, -1, 10));
	say("read only", fallocate(ro, 0, 0, 10));
	signal(SIGXFSZ, nothing);
	struct { unsigned cur, max; } limit = {100, ~0u};
	syscall(SYS_setrlimit, 1, &limit);
	say("beyond the limit", ftruncate(fd, 30000));
	limit.cur = ~0u;
	syscall(SYS_setrlimit, 1, &limit);

	/* times */
	struct timespec ts[2] = {{1000, 5}, {2000, 7}};
	say("utimensat", utimensat(AT_FDCWD, "f", ts, 0));
	stat("f", &s);
	printf("%ld.%ld %ld.%ld\n", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = 3000;
	say("omit", futimens(fd, ts));
	stat("f", &s);
	printf("%ld %ld\n", (long)s.st_atime, (long)s.st_mtime);
	ts[1].tv_nsec = 2000000000;
	say("bad ns", utimensat(AT_FDCWD, "f", ts, 0));
	say("flag", utimensat(AT_FDCWD, "f", 0, 1));
	struct timeval tv[2] = {{10, 20}, {30, 40}};
	say("utimes", utimes("f", tv));
	stat("f", &s);
	printf("%ld.%ld %ld.%ld\n", (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
	say("lutimes", lutimes("l", tv));
	lstat("l", &s);
	printf("%ld\n", (long)s.st_mtime);
	time_t before = time(0) - 1;
	pread(ro, b, 1, 0);
	stat("f", &s);
	printf("read: %d %d\n", s.st_atime >= before, s.st_mtime >= before);
	utimes("f", tv);
	int na = open("f", O_RDONLY | O_NOATIME);
	pread(na, b, 1, 0);
	stat("f", &s);
	printf("noatime: %d\n", s.st_atime >= before);
	int into = open("into", O_CREAT | O_RDWR, 0600);
	off_t from = 0;
	sendfile(into, na, &from, 1);
	stat("f", &s);
	printf("noatime, sent: %d\n", s.st_atime >= before);
	unlink("into");
	utimes("d", tv);
	int nad = open("d", O_RDONLY | O_DIRECTORY | O_NOATIME);
	char names[1024];
	while (syscall(SYS_getdents64, nad, names, sizeof names) > 0)
		;
	stat("d", &s);
	printf("noatime, names: %d\n", s.st_atime >= before);
	close(into);
	close(nad);
	write(fd, "x", 1);
	stat("f", &s);
	printf("written: %d %d\n", s.st_mtime >= before, s.st_ctime >= before);
	utimes("d", tv);
	close(open("d/new", O_CREAT | O_WRONLY, 0644));
	stat("d", &s);
	printf("directory: %d\n", s.st_mtime >= before);
	chmod("f", 0600);
	if (fork() == 0) {
		setgid(1234);
		setuid(1234);
		ok("stranger", open("f", O_RDONLY));
		say("stranger utimes", utimes("f", 0));
		say("stranger utimes set", utimes("f", tv));
		say("stranger access", access("f", R_OK));
		chmod("f", 0);
		ok("stranger d", open("d/y", O_CREAT | O_WRONLY, 0600));
		ok("own", open("own", O_CREAT | O_RDONLY, 0));
		say("own access", access("own", R_OK));
		exit(0);
	}
	wait(0);
	say("root access", access("own", R_OK | W_OK));
	say("root access x", access("own", X_OK));
	say("access bad", access("own", 8));
	seteuid(1234);
	say("real access", access("f", R_OK));
	say("effective access", faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	seteuid(0);

	/* FIFOs */
	say("mkfifo", mkfifo("p", 0644));
	ok("writer without reader", open("p", O_WRONLY | O_NONBLOCK));
	int r = ok("reader", open("p", O_RDONLY | O_NONBLOCK));
	say("nobody writes", read(r, b, 4));
	int w = ok("writer", open("p", O_WRONLY | O_NONBLOCK));
	say("empty", read(r, b, 4));
	say("through it", write(w, "fifo", 4));
	say("came", read(r, b, 4));
	close(w);
	say("end", read(r, b, 4));
	close(r);
	if (fork() == 0) {
		int c = open("p", O_WRONLY);
		write(c, "late", 4);
		exit(0);
	}
	r = ok("waits for a writer", open("p", O_RDONLY));
	say("late", read(r, b, 10));
	wait(0);
	close(r);
	int both = ok("both ends", open("p", O_RDWR));
	say("own", write(both, "me", 2));
	say("own back", read(both, b, 10));
	close(both);
	signal(SIGALRM, SIG_DFL);
	struct sigaction sa = {.sa_handler = nothing};
	sigaction(SIGALRM, &sa, 0);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 20000}}, 0);
	ok("interrupted", open("p", O_RDONLY));
	say("mknod", mknod("n", S_IFREG | 0600, 0));
	say("mknod directory", mknod("n2", S_IFDIR | 0600, 0));
	say("mknod again", mknod("n", S_IFREG | 0600, 0));
	say("socket", mknod("s", S_IFSOCK | 0600, 0));
	ok("open socket", open("s", O_RDWR));
	ok("full", open("/dev/full", O_WRONLY));
	say("no room", write(open("/dev/full", O_WRONLY), "x", 1));
	say("zeros", read(open("/dev/full", O_RDONLY), b, 5));
	say("random", read(open("/dev/urandom", O_RDONLY), b, 5));

	/* names */
	say("rename noreplace", renameat2(AT_FDCWD, "f", AT_FDCWD, "n", RENAME_NOREPLACE));
	say("exchange", renameat2(AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE));
	stat("f", &s);
	printf("%d\n", S_ISDIR(s.st_mode));
	say("exchange back", renameat2(AT_FDCWD, "d", AT_FDCWD, "f", RENAME_EXCHANGE));
	say("exchange missing", renameat2(AT_FDCWD, "d", AT_FDCWD, "zzz", RENAME_EXCHANGE));
	say("both flags", renameat2(AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE));
	say("unlinkat dir", unlinkat(AT_FDCWD, "d", 0));
	say("rmdir full", unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	say("unlinkat flag", unlinkat(AT_FDCWD, "d", 1));
	mkdir("many", 0755);
	for (int i = 0; i < 50; i++) {
		sprintf(b, "many/file%d", i);
		close(open(b, O_CREAT | O_WRONLY, 0600));
	}
	DIR *d = opendir("many");
	int seen = 0;
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			sprintf(b, "many/%s", e->d_name);
			unlink(b);
			seen++;
		}
	closedir(d);
	printf("removed while reading: %d\n", seen);
	say("empty now", rmdir("many"));
	struct statfs f;
	say("statfs", statfs("/proc", &f));
	printf("%x\n", (int)f.f_type);
	say("statfs missing", statfs("nothing", &f));
	say("sync", (sync(), 0));
	say("fsync", fsync(fd));
	say("fsync pipe", (pipe((int *)b), fsync(((int *)b)[0])));
	say("fdatasync closed", fdatasync(99));
	say("fadvise", posix_fadvise(fd, 0, 0, 9));
	say("close_range", syscall(436, 50, 40, 0));
	say("close_range all", syscall(436, 3, ~0u, 0));
	say("closed", fcntl(fd, F_GETFD));
	say("chroot", chroot("."));
	say("in it", access("/f", F_OK));
	return 0;
}
