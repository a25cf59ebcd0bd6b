/* Fork with pages in the first four megabytes, the lowest that may be mapped and on both sides of the border. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char *at[] = {(char *)0x10000, (char *)0x3ff000, (char *)0x400000};
	int status;
	for (int n = 0; n < 3; n++) {
		void *got = mmap(at[n], 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		printf("%p\n", got);
		at[n][5] = 'a' + n;
	}
	fflush(stdout);
	if (!fork()) {
		for (int n = 0; n < 3; n++) {
			putchar(at[n][5]);
			at[n][5] = 'A' + n;
			putchar(at[n][5]);
		}
		return 0;
	}
	wait(&status);
	for (int n = 0; n < 3; n++)
		putchar(at[n][5]);
	printf("\n%d\n", status);
	return 0;
}
