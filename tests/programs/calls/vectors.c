/* Pieces of readv, writev and their kin at the edges of their numbers: lengths, places, how many. */
#include "calls.h"
#include "rows.h"
static char page[8192] __attribute__((aligned(4096)));
static struct iovec v[1030];
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
  return 0;
}
