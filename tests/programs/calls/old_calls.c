/* Calls of the first Linux that nobody uses any more but that are there; what is looked at first; null pointers for
 * empty paths; how long what is written will live. */
#include "calls.h"
#include "rows.h"
static char page[8192] __attribute__((aligned(4096)));
static void old_stats(void) {
  unsigned short *u = (void *)page; unsigned *w = (void *)page;
  start("oldstat"); EACH(nr, 18, 84) { memset(page, 7, 64); C(syscall(nr, "/dev/null", page)); put(u[2]); put(u[3]); put(u[4]); put(u[5]); put(u[6]); put(w[4]); put(w[8]); C(syscall(nr, "/dev/null", 1)); C(syscall(nr, "/none", page)); C(syscall(nr, 1, page)); } int f = open("/dev/null", 0); C(syscall(28, f, page)); put(u[6]); C(syscall(28, 99, page)); close(f); done();
  start("olduname"); EACH(nr, 109, 59) { memset(page, 7, 400); C(syscall(nr, page)); int size = nr == 109 ? 65 : 9; put(strcmp(page, "Linux")); for (int i = 0; i < 5; i++) put(strlen(page + i * size) < size); put(page[5 * size]); put(page[5 * size - 1]); C(syscall(nr, 1)); } done();
  start("readdir"); const char *dir = own("/tmp/old-calls-"); syscall(39, dir, 0700); int d = open(dir, 0200000), p[2]; for (int i = 0; i < 4; i++) { memset(page, 7, 64); C(syscall(89, d, page, 0)); if (i < 2) { put(u[4]); put(page[10]); put(page[10 + u[4]]); put(page[11 + u[4]]); } } C(lseek(d, 0, 0)); C(syscall(89, d, 1, 0)); C(syscall(89, d, page, 1)); put(page[10]); pipe(p); C(syscall(89, p[0], page, 0)); C(syscall(89, 99, page, 0)); syscall(40, dir); C(syscall(89, d, page, 0)); close(d); close(p[0]); close(p[1]); done();
}
static void first(void) { /* what is wrong twice */
  char *edge = page + 4096; munmap(edge, 4096); int me = getpid(); start("first");
  C(syscall(349, 0, me, 0, 0, 0)); C(syscall(349, 0, 0, 8, 0, 0)); C(syscall(349, me, me, 8, 0, 0)); C(syscall(343, 4, 0)); C(syscall(343, 4, page)); C(syscall(342, -1, 0, 0)); C(syscall(342, 99, 0, 0)); *(int *)page = 0; C(syscall(342, 99, page, 0)); *(int *)page = 200; C(syscall(342, 99, page, 0)); *(int *)(edge - 8) = 8; C(syscall(342, 99, edge - 8, 0)); *(int *)(edge - 12) = 2; C(syscall(342, 99, edge - 12, 0));
  int event[3] = {0, open("/dev/null", 0), 2}; C(syscall(281, 99, event)); event[0] = (int)page; C(syscall(281, 99, event)); event[0] = (int)(edge - 31); C(syscall(281, 99, event)); event[0] = (int)(edge - 32); C(syscall(281, 99, event));
  EACH(behind, 0, 1) EACH(room, 96, 100, 104) { memset(edge - 200, 0, 200); edge[-room + 88] = behind; *(int *)(edge - room) = -1; C(syscall(435, edge - room, 104)); } EACH(behind, 0, 1) EACH(room, 28, 32, 40) { memset(edge - 200, 0, 200); edge[-room + 24] = behind; C(syscall(437, -100, "/none", edge - room, 40)); } done();
}
static void null_paths(void) {
  start("null"); int d = open("/tmp", 0200000), p[2]; pipe(p); static struct { u64 value; unsigned size, flags; } a; EACH(fd, d, p[0], -1, 99) EACH(path, (long)"", 0) { C(syscall(464, fd, path, 0x1000, "user.none", &a, 16)); C(syscall(300, fd, path, page, 0x1000)); C(syscall(300, fd, path, page, 0)); C(syscall(383, fd, path, 0x1000, 0x7ff, page)); C(syscall(439, fd, path, 0, 0x1000)); C(syscall(452, fd, path, fd == d ? 01777 : 0600, 0x1000)); C(syscall(298, fd, path, -1, -1, 0x1000)); }
  C(syscall(465, p[0], 0, 0x1000, 0, 0)); C(syscall(466, p[0], 0, 0x1000, "user.none")); C(syscall(465, 99, 0, 0x1000, 0, 0)); C(syscall(466, 99, 0, 0x1000, "user.none")); C(syscall(465, 99, 0, 0, 0, 0)); close(d); close(p[0]); close(p[1]); done();
}
static void hints(void) {
  start("hints"); const char *name = own("/tmp/old-hints-"); int f = open(name, 0102, 0600), g = open(name, 0), p[2]; unlink(name); pipe(p); u64 hint = 77; C(fcntl(f, 1035, &hint)); put(hint); EACH(to, 0, 3, 5, 6, 9) { hint = to; C(fcntl(f, 1036, &hint)); C(fcntl(g, 1035, &hint)); put(hint); } hint = 1ULL << 32; C(fcntl(f, 1036, &hint)); hint = 2; C(fcntl(p[0], 1036, &hint)); hint = 0; C(fcntl(p[1], 1035, &hint)); put(hint); C(fcntl(f, 1036, 1)); C(fcntl(f, 1035, 1)); C(fcntl(f, 1037, &hint)); C(fcntl(99, 1035, &hint)); int o = open("/tmp", 010000000); C(fcntl(o, 1035, &hint)); CHILD(start("hints"); syscall(213, 1000); hint = 1; C(fcntl(f, 1036, &hint)); C(fcntl(f, 1036, 1)); C(fcntl(f, 1035, &hint)); put(hint); done()), wait(0); close(f); close(g); close(o); close(p[0]); close(p[1]); done();
}
static void reopened(void) { /* a pipe by /proc/self/fd, as the shell's <(...): nobody waits for the other end */
  EACH(how, 0, 1, 2, 3) { char path[32], *to = path + 14; int p[2]; start("reopened"); pipe(p); strcpy(path, "/proc/self/fd/"); number(&to, p[how & 1], 10); *to = 0; if (how & 2) close(p[~how & 1]); else if (!how) write(p[1], "data", 4);
    EACH(flags, 0, 1, 2, 04000, 04001) { int f = C(open(path, flags)); struct pollfd q = {f, 5, 0}; C(poll(&q, 1, 0)); put(q.revents); close(f); } EACH(i, 0, 1) close(p[i]); done(); }
}
static void beyond(void) { /* 4 GiB: no limit is none */
  start("beyond"); const char *name = own("/tmp/old-beyond-"); int f = open(name, 0100102, 0600); unlink(name); EACH(high, 0, 1, 2, 8) EACH(low, 0, 0x7fffffff, 0xfffff000) { u64 at; char c[3]; C(syscall(140, f, high, low, &at, 0)); C(write(f, "abc", 3)); C(syscall(181, f, "de", 2, low, high)); C(syscall(180, f, c, 3, low, high)); put(c[1] == 'e'); put(c[2]); } close(f); f = open(name, 0102, 0600); unlink(name); u64 at; C(syscall(140, f, 1, 0, &at, 0)); C(write(f, "abc", 3)); close(f); done();
}
int main() { reopened(); beyond(); old_stats(); null_paths(); hints(); first(); return 0; }
