/* What each option of prctl says to words that it knows and to those that it does not use. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int word[8];
static const int options[] = {1, 2, 3, 4, 7, 8, 13, 14, 15, 16, 19, 21, 23, 24, 25, 26, 27, 28, 29, 30, 33, 34, 36, 37,
	38, 39, 40, 41, 42, 10001};

static void all(int option)
{
	int rows[][4] = {
		{0}, {1}, {2}, {3}, {4}, {5}, {-1}, {64}, {65}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}, {1, 1}, {1, 0, 1}, {1, 0, 0, 1},
		{1, 2}, {(int)word}, {(int)word, 1}, {(int)word, 0, 1}, {(int)word, 0, 0, 1}, {8}, {4096}, {0x10000}, {17},
		{23}, {24}, {26}, {34}, {40}, {41}, {1, -1}, {0, 8}, {2, 1}, {3, 8}, {3, 41}, {4, 0, 1},
	};
	for (int n = 0; n < sizeof rows / sizeof *rows; n++) {
		int *row = rows[n], pointer = row[0] == (int)word;
		long r;
		/* a capability that this system may not have, the securebits of an exec, words that are addresses here */
		if ((option == 23 || option == 24) && !pointer && (unsigned)row[0] < 40 && row[0] > 34)
			continue;
		if (option == 28 && row[0] > 0 || (option == 23 || option == 24) && row[0] == 24)
			continue;
		if (option == 26 && row[0] == 2 || option == 41 && row[1] == 2) /* no TSC; what newer kernels know */
			continue;
		if (pointer && (option == 1 || option == 16) || option == 16 && n > 3 || option == 15 && !pointer)
			continue;
		word[0] = word[1] = 0x41414141;
		errno = 0;
		r = syscall(SYS_prctl, option, row[0], row[1], row[2], row[3]);
		printf("%d (%x, %x, %x, %x): ", option, pointer ? 0xadd : row[0], row[1], row[2], row[3]);
		printf(r < 0 ? "fails %d" : "%ld", r < 0 ? errno : r);
		if (option == 40 && r == 0)
			printf("\n");
		else
			printf(" %x %x\n", word[0], word[1]);
		fflush(stdout);
	}
}

int main(void)
{
	prctl(PR_SET_NAME, "prctl");
	for (int n = 0; n < sizeof options / sizeof *options; n++)
		for (int user = 0; user < 2; user++) {
			int status;
			if (!fork()) {
				if (user && (setgid(1000) || setuid(1000)))
					_exit(3);
				all(options[n]);
				_exit(0);
			}
			wait(&status);
			if (status)
				printf("%d: ended %x\n", options[n], status);
		}
	return 0;
}
