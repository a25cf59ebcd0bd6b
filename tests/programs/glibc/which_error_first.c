/* Of several things that are wrong with a call, the one that is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAY(...) do { errno = 0; long r = syscall(__VA_ARGS__); printf("%s: %ld %d\n", #__VA_ARGS__, r, errno); } while (0)
enum { IPC = 117, UTIMENSAT = 320, SEMGET = 393, SEMTIMEDOP = 420, REMOVEXATTRAT = 466 };

int main(void)
{
	struct { unsigned short number; short op, flags; } wait = {0, 0, 0}, far = {9, 0, 0};
	long long never[2] = {0, -1};
	struct { int s, n; } bad[2] = {{0, 1000000001}, {0, 0}}, now[2] = {{0, 0x3fffffff}, {0, 0x3fffffff}}, omit[2] = {{5, 0x3ffffffe}, {5, 0x3ffffffe}};
	long id = syscall(SEMGET, 0, 1, 0600 | 01000);
	void *nowhere = (void *)8;
	printf("%d\n", id >= 0);
	SAY(SEMTIMEDOP, -1, 0, 0, never);
	SAY(SEMTIMEDOP, -1, &wait, 1, nowhere);
	SAY(SEMTIMEDOP, 9999, nowhere, 1, 0);
	SAY(SEMTIMEDOP, id, nowhere, 0, 0);
	SAY(SEMTIMEDOP, id, nowhere, 501, 0);
	SAY(SEMTIMEDOP, id, &far, 1, 0);
	SAY(SEMTIMEDOP, id, &far, 1, never);
	SAY(SEMTIMEDOP, id, &wait, 1, never);
	SAY(SEMTIMEDOP, id, nowhere, 1, never);
	SAY(SEMTIMEDOP, id, nowhere, 501, never);
	SAY(SEMTIMEDOP, id, nowhere, 501, nowhere);
	SAY(SEMTIMEDOP, 9999, nowhere, 1, never);
	SAY(IPC, 4, 9999, 1, 0, nowhere, bad);
	SAY(IPC, 4, 9999, 1, 0, nowhere, nowhere);
	SAY(UTIMENSAT, AT_FDCWD, "/nothing here", bad, 0);
	SAY(UTIMENSAT, AT_FDCWD, "/nothing here", bad, 0x9999);
	SAY(UTIMENSAT, AT_FDCWD, "/nothing here", now, 0x9999);
	SAY(UTIMENSAT, AT_FDCWD, "/nothing here", omit, 0x9999);
	SAY(UTIMENSAT, AT_FDCWD, "/", bad, 0);
	SAY(UTIMENSAT, AT_FDCWD, nowhere, bad, 0);
	SAY(UTIMENSAT, AT_FDCWD, nowhere, nowhere, 0x9999);
	SAY(UTIMENSAT, 99, 0, bad, 0);
	SAY(UTIMENSAT, 1, 0, bad, 0);
	SAY(UTIMENSAT, 99, "x", bad, 0);
	SAY(REMOVEXATTRAT, 99, "x", 0x9999, nowhere);
	SAY(REMOVEXATTRAT, 99, "x", 0, nowhere);
	SAY(REMOVEXATTRAT, 99, "x", 0, "user.x");
	SAY(REMOVEXATTRAT, 99, "x", 0x9999, "user.x");
	SAY(REMOVEXATTRAT, AT_FDCWD, "/nothing here", 0, "");
	syscall(IPC, 3, id, 0, 0x100, &id);
	return 0;
}
