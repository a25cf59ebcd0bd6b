/* openat2: how far a path may lead. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int at;
static void try(const char *path, unsigned long long flags, unsigned long long mode, unsigned long long resolve)
{
	unsigned long long how[3] = {flags, mode, resolve};
	int fd = syscall(437, at, path, how, sizeof how);
	printf("%s %llo %llo %llx: %d %d\n", path, flags, mode, resolve, fd >= 0, fd < 0 ? errno : 0);
	close(fd);
}

int main(void)
{
	char dir[] = "/tmp/openat2.XXXXXX";
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	close(open("d/f", O_CREAT | O_WRONLY, 0644));
	close(open("out", O_CREAT | O_WRONLY, 0644));
	symlink("f", "d/l");
	symlink("../out", "d/up");
	symlink("/f", "d/abs");
	symlink("/proc/self/exe", "d/magic");
	at = open("d", O_PATH | O_DIRECTORY);
	for (unsigned resolve = 0; resolve < 32; resolve = resolve ? resolve << 1 : 1) {
		try("f", O_RDONLY, 0, resolve);
		try("e/../f", O_RDONLY, 0, resolve);
		try("l", O_RDONLY, 0, resolve);
		try("up", O_RDONLY, 0, resolve);
		try("../out", O_RDONLY, 0, resolve);
		try("abs", O_RDONLY, 0, resolve);
		try("/f", O_RDONLY, 0, resolve);
		try("/dev/null", O_RDONLY, 0, resolve);
		try("magic", O_RDONLY, 0, resolve);
		try("l", O_PATH | O_NOFOLLOW, 0, resolve);
	}
	try("f", O_RDONLY, 0, 24);
	try("f", O_RDONLY, 0644, 0);
	try("g", O_CREAT | O_WRONLY, 0644, 8);
	try("h", O_CREAT | O_WRONLY, 010644, 0);
	try("f", O_PATH | O_WRONLY, 0, 0);
	try("f", 1ULL << 40, 0, 0);
	try("f", O_RDONLY, 0, 64);
	unsigned long long how[4] = {O_RDONLY, 0, 0, 0};
	printf("%d %d\n", (int)syscall(437, at, "f", how, 23), errno);
	printf("%d\n", (int)syscall(437, at, "f", how, 32) > 0);
	how[3] = 1;
	printf("%d %d\n", (int)syscall(437, at, "f", how, 32), errno);
	return 0;
}
