/* modify_ldt: segments of one's own. */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int data[4] = {11, 22, 33, 44};

static void is(const char *what, int result)
{
	printf("%s: %d %s\n", what, result, result < 0 ? strerrorname_np(errno) : "");
}

static int set(int func, int entry, void *base, int limit, int contents, int not_present)
{
	struct user_desc d = {.entry_number = entry, .base_addr = (unsigned long)base, .limit = limit, .seg_32bit = 1,
			      .contents = contents, .seg_not_present = not_present};
	return syscall(SYS_modify_ldt, func, &d, sizeof d);
}

static int read_fs(int entry, int offset)
{
	int value;
	__asm__ volatile("movl %1, %%fs\n movl %%fs:(%2), %0" : "=r"(value) : "r"(entry << 3 | 7), "r"(offset));
	return value;
}

static void in_child(const char *what, int entry, int offset)
{
	int status;
	fflush(stdout);
	if (!fork())
		_exit(read_fs(entry, offset));
	wait(&status);
	printf("%s: %#x\n", what, status);
}

/* LAR and LSL: rights without the accessed bit, which newer kernels set, and the limit; 0 for no segment */
static void rights(const char *what, int func, unsigned limit, unsigned bits)
{
	unsigned d[4] = {2, 0, limit, bits}, ar = 0, size = 0;
	int r = syscall(SYS_modify_ldt, func, d, 16);
	__asm__("lar %2, %0\n jz 1f\n xorl %0, %0\n 1: lsl %2, %1\n jz 2f\n movl $-1, %1\n 2:" : "+r"(ar), "+r"(size) : "r"(23));
	printf("%s: %d %x %x\n", what, r, ar & 0xf0fe00, size);
}

int main(void)
{
	unsigned char table[200];
	memset(table, 9, sizeof table);
	setvbuf(stdout, 0, _IOLBF, 0);
	is("an empty table", syscall(SYS_modify_ldt, 0, table, sizeof table));
	is("no function", syscall(SYS_modify_ldt, 99, table, sizeof table));
	is("a short entry", syscall(SYS_modify_ldt, 1, table, 15));
	is("no entry", syscall(SYS_modify_ldt, 0x11, 0, 16));
	is("beyond the end", set(0x11, 8192, data, 15, 0, 0));
	is("conforming code", set(0x11, 0, data, 15, 3, 0));
	is("that is not there", set(0x11, 0, data, 15, 3, 1));
	is("by the old call", set(1, 0, data, 15, 3, 1));
	is("data", set(0x11, 0, data, 15, 0, 0));
	is("more", set(1, 5, data + 2, 7, 0, 0));
	printf("%d %d\n", read_fs(0, 4), read_fs(5, 4));
	is("read some", syscall(SYS_modify_ldt, 0, table, 40));
	printf("%02x%02x%02x %02x\n", table[0], table[1], table[5], table[39]);
	is("read all", syscall(SYS_modify_ldt, 0, table, sizeof table));
	printf("%02x%02x %02x%02x\n", table[40], table[45], table[48], table[199]);
	is("read to nowhere", syscall(SYS_modify_ldt, 0, (void *)16, 100));
	in_child("a child has them", 0, 8);
	data[2] = 34;
	if (!fork()) {
		set(0x11, 0, data + 1, 15, 0, 0);
		printf("changed in a child: %d\n", read_fs(0, 0));
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	printf("not in the parent: %d\n", read_fs(0, 0));
	is("not present", set(0x11, 3, data, 15, 0, 1));
	in_child("a segment that is not there", 3, 0);
	is("an empty one", set(0x11, 0, 0, 0, 0, 0));
	in_child("an empty one", 0, 0);
	in_child("none", 77, 0);
	is("the last", set(0x11, 8191, data, 15, 0, 0));
	printf("%d\n", read_fs(8191, 12));
	rights("all zeros", 0x11, 0, 0);
	rights("not present", 0x11, 0, 0x20);
	rights("read only", 0x11, 0, 8);
	rights("none", 0x11, 0, 0x28);
	rights("none, with a limit", 0x11, 1, 0x28);
	rights("none, of 32 bits", 0x11, 0, 0x29);
	rights("all zeros, the old call", 1, 0, 0);
	rights("of 32 bits, the old call", 1, 0, 1);
	return 0;
}
