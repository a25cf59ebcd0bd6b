/* userfaultfd: what it answers, and threads that wait for pages which another one gives. */
#include "calls.h"

enum { ENOENT = 2, UFFD_USER_MODE_ONLY = 1, MISSING = 1, PAGE = 4096 };
#define UFFDIO_API 0xc018aa3f
#define UFFDIO_REGISTER 0xc020aa00
#define UFFDIO_UNREGISTER 0x8010aa01
#define UFFDIO_WAKE 0x8010aa02
#define UFFDIO_COPY 0xc028aa03
#define UFFDIO_ZEROPAGE 0xc020aa04
#define FEATURE_THREAD_ID 0x100ull
#define FEATURE_SIGBUS 0x80ull
struct api { u64 api, features, ioctls; };
struct reg { u64 start, len, mode, ioctls; };
struct copy { u64 dst, src, len, mode; long long copy; };
struct zero { u64 start, len, mode; long long zeropage; };
struct msg { unsigned char event, r1; unsigned short r2; unsigned r3; u64 flags, address; unsigned ptid, pad; };
#define userfaultfd(f) syscall(374, f)
#define ioctl(f, r, p) syscall(54, f, r, p)

static char stacks[4][8192], source[2 * PAGE] __attribute__((aligned(4096)));
static char *area;
static int which;

/* A thread that writes or reads a byte of the area, and ends with what it found: on a stack of its own it has nothing
 * of its maker, so it is written by hand. */
static int thread(int at, int write_it) {
  long *stack = (long *)(stacks[which++ % 4] + 8192 - 64);
  int pid;
  stack[0] = (long)(area + at);
  stack[1] = write_it;
  __asm__ volatile(
    "int $0x80\n testl %%eax, %%eax\n jnz 1f\n"
    "popl %%ecx\n popl %%edx\n xorl %%ebx, %%ebx\n testl %%edx, %%edx\n jz 2f\n movb $77, (%%ecx)\n"
    "2: movb (%%ecx), %%bl\n movl $1, %%eax\n int $0x80\n1:"
    : "=a"(pid) : "a"(120), "b"(0x711), "c"(stack), "d"(0), "S"(0), "D"(0) : "memory");
  return pid;
}
static int ends(int pid) { int status = 0; waitpid(pid, &status, 0); return status; }

static void answers(void) {
  struct api api = {0xAB};
  struct reg reg = {(unsigned long)area, 4 * PAGE, MISSING};
  S(userfaultfd(0x10));
  int fd = userfaultfd(O_NONBLOCK | O_CLOEXEC | UFFD_USER_MODE_ONLY);
  struct pollfd p = {fd, POLLIN};
  S(fcntl(fd, F_GETFD, 0));
  S(ioctl(fd, UFFDIO_REGISTER, &reg));
  S(read(fd, source, 100));
  S(poll(&p, 1, 0)); printf("%x\n", p.revents);
  S(ioctl(fd, UFFDIO_API, &api));
  printf("%llx\n", api.api);
  api.api = 0xAA; api.features = 1ull << 60;
  S(ioctl(fd, UFFDIO_API, &api));
  api.api = 0xAA; api.features = 0;
  S(ioctl(fd, UFFDIO_API, &api));
  printf("%llx, features %d, calls %d\n", api.api, (int)(api.features & 0x1a0) == 0x1a0, api.ioctls == 0x8000000000000003ull);
  api.api = 0xAA; api.features = FEATURE_THREAD_ID;
  S(ioctl(fd, UFFDIO_API, &api));
  S(poll(&p, 1, 0)); printf("%x\n", p.revents);
  S(read(fd, source, 100));
  S(read(fd, source, 31));
  S(ioctl(fd, 0xc020aa77, &reg));
  reg.start++; S(ioctl(fd, UFFDIO_REGISTER, &reg)); reg.start--;
  reg.len = 0; S(ioctl(fd, UFFDIO_REGISTER, &reg)); reg.len = 100; S(ioctl(fd, UFFDIO_REGISTER, &reg));
  reg.len = 4 * PAGE; reg.mode = 0; S(ioctl(fd, UFFDIO_REGISTER, &reg));
  reg.mode = 64; S(ioctl(fd, UFFDIO_REGISTER, &reg));
  reg.mode = MISSING; reg.start = 0x60000000; S(ioctl(fd, UFFDIO_REGISTER, &reg));
  reg.start = (unsigned long)area; reg.len = ~0ull << 12; S(ioctl(fd, UFFDIO_REGISTER, &reg));
  struct copy copy = {(unsigned long)area, (unsigned long)source, PAGE};
  S(ioctl(fd, UFFDIO_COPY, &copy));
  reg.len = 3 * PAGE; S(ioctl(fd, UFFDIO_REGISTER, &reg));
  printf("%x\n", (int)reg.ioctls & 0x1c);
  int other = userfaultfd(O_NONBLOCK);
  api.api = 0xAA; api.features = 0;
  ioctl(other, UFFDIO_API, &api);
  S(ioctl(other, UFFDIO_REGISTER, &reg));
  close(other);
  copy.mode = 4; S(ioctl(fd, UFFDIO_COPY, &copy)); copy.mode = 0;
  copy.dst++; S(ioctl(fd, UFFDIO_COPY, &copy)); copy.dst--;
  copy.len = 0; S(ioctl(fd, UFFDIO_COPY, &copy)); copy.len = PAGE;
  copy.src = 16; S(ioctl(fd, UFFDIO_COPY, &copy)); printf("copied %d\n", (int)copy.copy);
  copy.src = (unsigned long)source; copy.dst = (unsigned long)area + 3 * PAGE; S(ioctl(fd, UFFDIO_COPY, &copy));
  copy.dst = (unsigned long)area; memset(source, 5, 2 * PAGE); copy.len = 2 * PAGE;
  S(ioctl(fd, UFFDIO_COPY, &copy)); printf("copied %d: %d %d\n", (int)copy.copy, area[0], area[2 * PAGE - 1]);
  S(ioctl(fd, UFFDIO_COPY, &copy)); printf("copied %d\n", (int)copy.copy);
  copy.dst += PAGE;
  S(ioctl(fd, UFFDIO_COPY, &copy)); printf("copied %d\n", (int)copy.copy);
  struct zero zero = {(unsigned long)area + 2 * PAGE, PAGE};
  S(ioctl(fd, UFFDIO_ZEROPAGE, &zero)); printf("zeroed %d: %d\n", (int)zero.zeropage, area[2 * PAGE]);
  area[2 * PAGE] = 6; printf("%d\n", area[2 * PAGE]);
  S(ioctl(fd, UFFDIO_ZEROPAGE, &zero)); printf("zeroed %d\n", (int)zero.zeropage);
  reg.len = 4 * PAGE;
  S(ioctl(fd, UFFDIO_UNREGISTER, &reg));
  S(ioctl(fd, UFFDIO_WAKE, &reg));
  printf("%d\n", area[3 * PAGE]);
  close(fd);
}

static int started(u64 features, int flags, int pages) {
  struct api api = {0xAA, features};
  int fd = userfaultfd(flags);
  ioctl(fd, UFFDIO_API, &api);
  area = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct reg reg = {(unsigned long)area, pages * PAGE, MISSING};
  ioctl(fd, UFFDIO_REGISTER, &reg);
  return fd;
}

static void show(int fd, int tid) {
  struct msg m;
  int n = read(fd, &m, sizeof m);
  printf("read %d: event %x, flags %x, page %d, thread %d\n", n, m.event, (int)m.flags, (int)((unsigned)m.address - (unsigned)area) / PAGE, m.ptid == tid);
}

static void waiting(void) {
  int fd = started(FEATURE_THREAD_ID, 0, 4), tid = thread(PAGE + 100, 0);
  struct copy copy = {(unsigned long)area + PAGE, (unsigned long)source, PAGE, 1};
  struct reg range = {(unsigned long)area + PAGE, PAGE};
  show(fd, tid);
  memset(source, 9, PAGE);
  S(ioctl(fd, UFFDIO_COPY, &copy));
  ms(5);
  printf("still %d\n", (int)waitpid(tid, 0, WNOHANG));
  S(ioctl(fd, UFFDIO_WAKE, &range));
  printf("%x\n", ends(tid));
  tid = thread(2 * PAGE, 1);
  show(fd, tid);
  struct zero zero = {(unsigned long)area + 2 * PAGE, PAGE};
  S(ioctl(fd, UFFDIO_ZEROPAGE, &zero));
  printf("%x\n", ends(tid));
  tid = thread(0, 0);
  show(fd, tid);
  range.start = (unsigned long)area;
  S(ioctl(fd, UFFDIO_WAKE, &range)); /* without a page: it asks again */
  show(fd, tid);
  S(ioctl(fd, UFFDIO_UNREGISTER, &range));
  printf("%x\n", ends(tid));
  tid = thread(3 * PAGE, 1);
  show(fd, tid);
  S(kill(tid, SIGKILL));
  printf("%x\n", ends(tid));
  tid = thread(3 * PAGE, 0);
  ms(5);
  close(fd); /* nobody gives pages any more: they are zeros */
  printf("%x\n", ends(tid));
}

static void others(void) {
  int fd = started(FEATURE_SIGBUS, 0, 1);
  printf("%x\n", ends(thread(0, 0)));
  close(fd);
  fd = started(0, O_NONBLOCK, 2);
  int child = CHILD(_exit(area[0] + 3)); /* a copy is nobody's to give pages to */
  printf("%x\n", ends(child));
  int tid = thread(PAGE, 0);
  struct pollfd p = {fd, POLLIN};
  S(poll(&p, 1, -1)); printf("%x\n", p.revents);
  show(fd, 0);
  S(munmap(area, 2 * PAGE));
  struct reg range = {(unsigned long)area, 2 * PAGE};
  S(ioctl(fd, UFFDIO_WAKE, &range));
  printf("%x\n", ends(tid));
  close(fd);
  fd = started(0, O_NONBLOCK, 2);
  munmap(area, 2 * PAGE);
  area = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  range.start = (unsigned long)area; range.mode = MISSING;
  S(ioctl(fd, UFFDIO_REGISTER, &range));
  tid = thread(PAGE, 0);
  poll(&p, 1, -1);
  p.fd = fd; poll(&p, 1, -1);
  show(fd, 0);
  struct copy copy = {(unsigned long)area, (unsigned long)source, 2 * PAGE};
  S(ioctl(fd, UFFDIO_COPY, &copy));
  printf("%x\n", ends(tid));
  child = CHILD(area[0] = 8);
  ends(child);
  printf("%d\n", area[0]);
}

int main(void) {
  area = mmap((void *)0x50000000, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  answers();
  waiting();
  others();
  return 0;
}
