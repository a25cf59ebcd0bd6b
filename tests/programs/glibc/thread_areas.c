/* Segments of threads: every combination of their bits, set and read back; and lists of groups in however much room. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct user_desc { int entry; unsigned base, limit, bits; };

static void areas(void)
{
	static const unsigned where[][2] = {{0, 0}, {0x12345678, 0xfffff}, {0, 1}, {1, 0}};
	struct user_desc d = {-1, 1, 1, 0x51}, got;
	printf("free: %ld", syscall(SYS_set_thread_area, &d) < 0 ? errno : 0);
	int entry = d.entry;
	printf(", entry %d\n", entry > 5);
	for (int w = 0; w < 4; w++)
		for (unsigned bits = 0; bits < 512; bits++) {
			int empty = !where[w][0] && !where[w][1] && ((bits & 127) == 0x28 || !(bits & 127));
			if (!empty && (!(bits & 1) || bits & 4 || bits & 0x20))
				continue; /* newer kernels refuse these */
			d = (struct user_desc){entry, where[w][0], where[w][1], bits};
			long r = syscall(SYS_set_thread_area, &d);
			memset(&got, 0xee, sizeof got);
			got.entry = entry;
			printf("%x: %d", bits, r < 0 ? errno : 0);
			r = syscall(SYS_get_thread_area, &got);
			printf(" %d %x %x %x\n", r < 0 ? errno : 0, got.base, got.limit, got.bits & 0x7f);
		}
	for (int n = -2; n < 20; n++) /* where they are differs between 32 and 64 bits */
		if (n < 6 || n > 14) {
			d = (struct user_desc){n, 1, 1, 0x51};
			if (n != -1)
				printf("entry %d: %d", n, syscall(SYS_set_thread_area, &d) < 0 ? errno : 0);
			got.entry = n;
			printf(" %d\n", syscall(SYS_get_thread_area, &got) < 0 ? errno : 0);
		}
	printf("%d %d\n", syscall(SYS_set_thread_area, 8) < 0 ? errno : 0, syscall(SYS_get_thread_area, 8) < 0 ? errno : 0);
}

static void groups(void)
{
	gid_t list[5] = {70000, 5, 1000, 5, 65535};
	for (int count = 0; count <= 5; count++) {
		setgroups(count, list);
		for (int size = -1; size < 7; size++) {
			unsigned wide[8];
			unsigned short narrow[8];
			memset(wide, 0xee, sizeof wide);
			memset(narrow, 0xee, sizeof narrow);
			int r = syscall(SYS_getgroups32, size, wide);
			printf("%d in %d: %d %d, %x %x", count, size, r, r < 0 ? errno : 0, wide[0], wide[4]);
			r = syscall(SYS_getgroups, size, narrow);
			printf("; %d %d, %x %x\n", r, r < 0 ? errno : 0, narrow[0], narrow[4]);
		}
	}
	printf("%d\n", syscall(SYS_getgroups32, 7, 8) < 0 ? errno : 0);
	printf("%d\n", syscall(SYS_setgroups32, -1, list) < 0 ? errno : 0);
	printf("%d\n", syscall(SYS_setgroups32, 65537, list) < 0 ? errno : 0);
	printf("%d\n", syscall(SYS_setgroups32, 2, 8) < 0 ? errno : 0);
}

int main(void)
{
	areas();
	groups();
	return 0;
}
