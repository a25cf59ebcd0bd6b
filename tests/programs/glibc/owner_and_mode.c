/* chmod and chown: who may, and what they take away. Root here as there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *what, int result)
{
	int error = errno;
	struct stat s;
	printf("%s: %d %d", what, result, result < 0 ? error : 0);
	if (lstat("f", &s) == 0)
		printf(" mode %o owner %u group %u", s.st_mode, s.st_uid, s.st_gid);
	printf("\n");
}

int main(void)
{
	char dir[] = "/tmp/owner.XXXXXX";
	if (!mkdtemp(dir) || chdir(dir) || chmod(".", 0777))
		return 1;
	setvbuf(stdout, 0, _IOLBF, 0);
	umask(0);
	int fd = open("f", O_CREAT | O_RDWR, 0644);
	show("made", fd);
	show("chmod 6755", chmod("f", 06755));
	show("chown 1 2", chown("f", 1, 2));
	show("fchmod 6711", fchmod(fd, 06711));
	show("chown to the same", chown("f", 1, 2));
	show("chmod 2600", chmod("f", 02600));
	show("chown keeps a lock bit", chown("f", -1, -1));
	show("chown -1 3", fchown(fd, -1, 3));
	show("chown missing", chown("g", 0, 0));
	symlink("f", "l");
	show("lchown", lchown("l", 7, 8));
	struct stat s;
	lstat("l", &s);
	printf("link %u %u\n", s.st_uid, s.st_gid);
	show("fchownat nofollow", fchownat(AT_FDCWD, "l", 9, 10, AT_SYMLINK_NOFOLLOW));
	lstat("l", &s);
	printf("link %u %u\n", s.st_uid, s.st_gid);
	show("fchownat empty", fchownat(fd, "", 11, 12, AT_EMPTY_PATH));
	show("fchownat flag", fchownat(AT_FDCWD, "f", 0, 0, 0x8000));
	show("fchmodat", fchmodat(AT_FDCWD, "l", 0640, 0));
	show("16 bits", syscall(SYS_chown, "f", 0xffff, 40000));
	show("trailing slash", chmod("f/", 0));
	show("fault", chmod((char *)1, 0));
	show("closed", fchmod(99, 0));
	chown("f", 1000, 1000);
	if (fork() == 0) {
		setgid(1000);
		setuid(1000);
		show("owner chmod", chmod("f", 04755));
		show("owner chown", chown("f", 1001, -1));
		show("owner chgrp own", chown("f", -1, 1000));
		show("owner chgrp other", chown("f", -1, 5));
		int w = open("f", O_WRONLY);
		chmod("f", 06755);
		show("before a write", 0);
		show("a write", write(w, "x", 1));
		chmod("f", 02644);
		show("a write, no x", write(w, "x", 1));
		exit(0);
	}
	wait(0);
	if (fork() == 0) {
		setgid(2000);
		setuid(2000);
		show("stranger chmod", chmod("f", 0777));
		show("stranger chown", chown("f", 2000, 2000));
		exit(0);
	}
	wait(0);
	chown("f", 2000, 1000);
	if (fork() == 0) {
		setgid(2000);
		setuid(2000);
		show("not in the group", chmod("f", 02755));
		exit(0);
	}
	wait(0);
	mkdir("d", 0777);
	chmod("d", 06777);
	chown("d", 5, 6);
	stat("d", &s);
	printf("directory %o %u %u\n", s.st_mode, s.st_uid, s.st_gid);
	int in = open("d/x", O_CREAT | O_WRONLY, 02755);
	fstat(in, &s);
	printf("in it %o %u %u\n", s.st_mode, s.st_uid, s.st_gid);
	mkdir("d/e", 0755);
	stat("d/e", &s);
	printf("below it %o %u %u\n", s.st_mode, s.st_uid, s.st_gid);
	return 0;
}
