/* execveat, scripts, and what exec changes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const env[] = {"A=b", 0};

static void try(const char *what, int dirfd, const char *path, int flags)
{
	char *argv[] = {"name", (char *)what, 0};
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		syscall(SYS_execveat, dirfd, path, argv, env, flags);
		printf("%s: %d\n", what, errno);
		exit(1);
	}
	waitpid(pid, 0, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		char comm[32] = "", exe[300];
		int n = readlink("/proc/self/exe", exe, 299), fd = open("/proc/self/comm", O_RDONLY);
		read(fd, comm, 31);
		exe[n < 0 ? 0 : n] = 0;
		comm[strcspn(comm, "\n")] = 0;
		printf("ran %s: argc %d, %s, A=%s, exe %s\n", argv[1], argc, basename(argv[0]), getenv("A"),
		       strrchr(exe, '/'));
		for (int i = 2; i < argc; i++)
			printf("  %s\n", argv[i]);
		return 0;
	}
	char dir[] = "/tmp/exec.XXXXXX", self[300];
	setvbuf(stdout, 0, _IOLBF, 0);
	int n = readlink("/proc/self/exe", self, 299);
	self[n] = 0;
	if (!mkdtemp(dir))
		return 1;
	int in = open(self, O_RDONLY), fd;
	chdir(dir);
	fd = open("copy", O_CREAT | O_WRONLY, 0755);
	static char b[65536];
	while ((n = read(in, b, sizeof b)) > 0)
		write(fd, b, n);
	try("while it is open for writing", AT_FDCWD, "copy", 0);
	close(fd);
	symlink("copy", "link");
	mkdir("d", 0755);
	int here = open(".", O_RDONLY | O_DIRECTORY), path = open("copy", O_PATH);
	try("here", AT_FDCWD, "copy", 0);
	try("from a directory", here, "copy", 0);
	try("of a link", here, "link", 0);
	try("of a link itself", here, "link", AT_SYMLINK_NOFOLLOW);
	try("of a descriptor", path, "", AT_EMPTY_PATH);
	try("of a descriptor without the flag", path, "", 0);
	try("another flag", here, "copy", 1);
	try("a directory", here, "d", 0);
	try("a bad descriptor", 99, "copy", 0);
	try("missing", here, "nothing", 0);
	chmod("copy", 0644);
	try("not executable", here, "copy", 0);
	chmod("copy", 0755);
	fd = open("script", O_CREAT | O_WRONLY, 0755);
	dprintf(fd, "#! %s/copy one word\n", dir);
	close(fd);
	try("a script", AT_FDCWD, "./script", 0);
	int open_script = open("script", O_RDONLY | O_CLOEXEC);
	try("a script that is closed", open_script, "", AT_EMPTY_PATH);
	fd = open("bad", O_CREAT | O_WRONLY, 0755);
	dprintf(fd, "#!/no/such/thing\n");
	close(fd);
	try("no interpreter", AT_FDCWD, "./bad", 0);
	fd = open("loop", O_CREAT | O_WRONLY, 0755);
	dprintf(fd, "#!./loop\n");
	close(fd);
	try("its own interpreter", AT_FDCWD, "./loop", 0);
	fd = open("text", O_CREAT | O_WRONLY, 0755);
	dprintf(fd, "hello\n");
	close(fd);
	try("text", AT_FDCWD, "./text", 0);
	return 0;
}
