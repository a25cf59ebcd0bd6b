/* The pages of a program that are not written are its file's: no copies, until one writes to them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const volatile char words[8192] __attribute__((aligned(4096))) = {"as it was"};

static void show(const char *who, const char *rights)
{
	char line[256];
	int here = 0, dirty = 0;
	FILE *f = fopen("/proc/self/smaps", "r");
	while (fgets(line, sizeof line, f)) {
		unsigned long from, to;
		char mode[8];
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3)
			here = !strcmp(mode, rights) && strstr(line, "text_pages") != 0;
		else if (here && !strncmp(line, "Private_Dirty:", 14))
			dirty += atoi(line + 14);
	}
	fclose(f);
	printf("%s: pages of its own: %d\n", who, dirty > 0);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char *again[] = {"text_pages", "again", 0}, bytes[32] = "";
	int exe = open("/proc/self/exe", O_RDONLY);
	if (argc > 1) {
		show("the other", "r-xp");
		printf("%s\n", (const char *)words);
		mprotect((void *)words, 4096, PROT_READ | PROT_WRITE);
		strcpy((char *)words, "changed");
		printf("%s\n", (const char *)words);
		return 0;
	}
	printf("%s\n", (const char *)words);
	fflush(stdout);
	if (!fork()) {
		mprotect((void *)words, 4096, PROT_READ | PROT_WRITE);
		strcpy((char *)words, "in the child");
		printf("%s\n", (const char *)words);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	if (!fork())
		execv("/proc/self/exe", again);
	wait(0);
	printf("%s\n", (const char *)words);
	char *all = mmap(0, 1 << 20, PROT_READ, MAP_PRIVATE, exe, 0);
	char *found = memmem(all, lseek(exe, 0, SEEK_END), "as it was\0\0\0", 12);
	memcpy(bytes, found, 12);
	printf("in the file: %s\n", bytes);
	return 0;
}
