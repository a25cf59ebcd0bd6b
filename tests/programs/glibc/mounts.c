/* mount and umount2 in a namespace of one's own: tmpfs, /proc, bind, remount. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static long say(const char *what, long r)
{
	int e = errno;
	printf("%s: %ld %d\n", what, r < 0 ? -1 : r, r < 0 ? e : 0);
	return r;
}

int main(void)
{
	char dir[] = "/tmp/mounts.XXXXXX";
	struct stat a, b;
	struct statfs f;
	setvbuf(stdout, 0, _IOLBF, 0);
	if (!mkdtemp(dir) || chdir(dir) || unshare(CLONE_NEWNS))
		return 77;
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	mkdir("m", 0755);
	mkdir("n", 0755);
	close(open("file", O_CREAT | O_WRONLY, 0644));
	say("tmpfs", mount("none", "m", "tmpfs", 0, "size=1m,mode=700"));
	stat("m", &a);
	stat(".", &b);
	printf("mode %o, another device %d\n", a.st_mode, a.st_dev != b.st_dev);
	statfs("m", &f);
	printf("%x %ld\n", (int)f.f_type, (long)f.f_blocks * f.f_bsize);
	close(open("m/x", O_CREAT | O_WRONLY, 0644));
	say("rename across", rename("m/x", "y"));
	say("link across", link("m/x", "y"));
	say("rmdir of a mount", rmdir("m"));
	int fd = open("m/x", O_RDWR);
	say("busy", umount2("m", 0));
	say("remount busy", mount(0, "m", 0, MS_REMOUNT | MS_RDONLY, 0));
	close(fd);
	say("remount", mount(0, "m", 0, MS_REMOUNT | MS_RDONLY, 0));
	say("create", open("m/z", O_CREAT | O_WRONLY, 0644));
	say("write", open("m/x", O_WRONLY));
	say("chmod", chmod("m/x", 0));
	say("unlink", unlink("m/x"));
	say("mkdir", mkdir("m/d", 0755));
	say("mkdir of what is there", mkdir("m/x", 0755));
	say("access", access("m/x", W_OK));
	say("truncate", truncate("m/x", 0));
	say("utimes", utimensat(AT_FDCWD, "m/x", 0, 0));
	say("symlink", symlink("x", "m/s"));
	say("bind", mount("m", "n", 0, MS_BIND, 0));
	say("through it", access("n/x", F_OK));
	say("umount below", umount2("n", UMOUNT_NOFOLLOW));
	say("gone", access("n/x", F_OK));
	say("not a mount", umount2("n", 0));
	say("flags", umount2("m", 0x100));
	say("unknown", mount("none", "n", "nosuchfs", 0, 0));
	say("on a file", mount("none", "file", "tmpfs", 0, 0));
	say("missing", mount("none", "q", "tmpfs", 0, 0));
	say("option", mount("none", "n", "tmpfs", 0, "nonsense=1"));
	say("proc", mount("none", "n", "proc", 0, 0));
	say("it is", access("n/self/status", R_OK));
	say("in it", chdir("n"));
	say("busy", umount2("../n", 0));
	say("detach", umount2("../n", MNT_DETACH));
	say("back", chdir(dir));
	say("expire", umount2("m", MNT_EXPIRE));
	say("expired", umount2("m", MNT_EXPIRE));
	setuid(1000);
	say("nobody may", mount("none", dir, "tmpfs", 0, 0));
	return 0;
}
