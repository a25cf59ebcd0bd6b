/* Pieces of readv, writev and their kin at the edges of their numbers: lengths, places, how many. */
#include "calls.h"
#include "rows.h"
static char page[8192] __attribute__((aligned(4096)));
static struct iovec v[1030];
/* Pieces that wait: what comes fills one after the other. */
static void waiting(void) {
  int master = open("/dev/ptmx", 02 | 0400), zero = 0, number_ = 0; syscall(54, master, 0x40045431, &zero); syscall(54, master, 0x80045430, &number_);
  char name[20] = "/dev/pts/", *end = name + 9; number(&end, number_, 10); *end = 0; int slave = open(name, 02 | 0400); unsigned modes[15];
  syscall(54, slave, 0x5401, modes); modes[0] = modes[1] = modes[3] = 0; ((char *)modes)[17 + 6] = 1; ((char *)modes)[17 + 5] = 0; syscall(54, slave, 0x5402, modes);
  int ends[2], pair[2], flat[2]; pipe(ends); syscall(360, 1, 1, 0, pair); syscall(360, 1, 2, 0, flat); int counter = eventfd(0, 0);
  static const struct { int pieces[4]; const char *sent; } rows[] = {{{1, 1, 1}, "abc"}, {{1, 2, 3}, "abcdef"}, {{1, 2, 3}, "abcde"}, {{3, 1, 2, 5}, "abcdefghijk"}, {{2, 2, 2, 2}, "a"}, {{2, 2}, "abcdef"}};
  int from[] = {slave, ends[0], pair[0], flat[0]}, into[] = {master, ends[1], pair[1], flat[1]};
  for (int kind = 0; kind < 4; kind++) for (int i = 0; i < 6; i++) {
    start("waiting"); put(kind); put(i); memset(page, '.', 100); int n = 0, at = 0;
    for (; n < 4 && rows[i].pieces[n]; n++) { v[n] = (struct iovec){page + at, rows[i].pieces[n]}; at += rows[i].pieces[n] + 1; }
    CHILD(ms(20); write(into[kind], rows[i].sent, strlen(rows[i].sent))); C(syscall(145, from[kind], v, n)); reap(); page[at] = 0; word(page); fcntl(from[kind], F_SETFL, O_NONBLOCK); C(read(from[kind], page, 100)); fcntl(from[kind], F_SETFL, 0); done();
  }
  v[0] = (struct iovec){page, 8}; v[1] = (struct iovec){page + 8, 8}; start("counter"); CHILD(ms(20); u64 one = 5; write(counter, &one, 8)); C(syscall(145, counter, v, 1)); put(page[0]); reap(); done();
}
int main() {
  int null = open("/dev/null", 2), zero = open("/dev/zero", 2), file = syscall(356, "m", 0), p[2]; pipe(p); fcntl(p[0], F_SETFL, O_NONBLOCK); fcntl(p[1], F_SETFL, O_NONBLOCK);
  static const unsigned lengths[] = {0, 1, 4096, 0x7fffefff, 0x7ffff000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffff000, 0xffffffff};
  static void *places[] = {page, page + 8191, 0, (void *)0x1000, (void *)0x3fffffff};
  for (int place = 0; place < 5; place++) for (int second = 0; second < 3; second++) {
    start("lengths"); put(place); put(second);
    for (int i = 0; i < 10; i++) {
      v[0] = (struct iovec){second == 2 ? page : places[place], second == 2 ? 5 : lengths[i]}; v[1] = (struct iovec){second == 2 ? places[place] : page, second == 2 ? lengths[i] : 6};
      int many = second ? 2 : 1;
      C(syscall(146, null, v, many)); C(syscall(334, null, v, many, 0, 0)); C(syscall(379, null, v, many, 0, 0, 0)); C(syscall(145, null, v, many)); C(syscall(333, null, v, many, 0, 0)); C(syscall(145, file, v, many)); C(syscall(333, file, v, many, 0, 0)); if (lengths[i] <= 4096 || lengths[i] > 0x7fffffff) { C(syscall(316, p[1], v, many, 2)); while (read(p[0], page, 8192) > 0) continue; C(syscall(347, getpid(), v, many, v, many, 0)); C(syscall(348, getpid(), v, many, v, many, 0)); }
    }
    done();
  }
  start("how many"); for (int i = 0; i < 1030; i++) v[i] = (struct iovec){page + i, 1};
  EACH(many, 0, 1, 8, 9, 1023, 1024, 1025, 0x7fffffff, 0x80000000, -1) { C(syscall(146, null, v, many)); C(syscall(145, zero, v, many)); C(syscall(334, null, v, many, 0, 0)); C(syscall(333, zero, v, many, 0, 0)); C(syscall(347, getpid(), v, many, v, 1, 0)); C(syscall(347, getpid(), v, 1, v, many, 0)); C(syscall(316, p[1], v, many, 2)); while (read(p[0], page + 4000, 4096) > 0) continue; }
  done();
  waiting();
  return 0;
}
