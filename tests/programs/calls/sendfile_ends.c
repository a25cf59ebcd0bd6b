/* sendfile and its positions where they end: 31 bits and 63, in a file of more. */
#include "calls.h"
#include "rows.h"
int main() {
  int file = syscall(356, "m", 0), out = open("/dev/null", O_RDWR), p[2]; pipe(p); fcntl(p[1], F_SETFL, O_NONBLOCK);
  syscall(194, file, 0, 2); /* 8 GiB of nothing */
  EACH(to_, out, p[1]) EACH(count, 0, 1, 2, 5, 4096) {
    start("sendfile"); put(to_ == out); put(count);
    EACH(at, 0, 1, 0x7fffffff, 0x7ffffffe, 0x7ffffffd, 0x7ffff000, 0x7fffefff, -1, 0x80000000) { long at_ = at; C(syscall(187, to_, file, &at_, count)); put(at_); while (to_ != out && syscall(54, p[0], 0x541b, row + 19000) == 0 && *(int *)(row + 19000)) read(p[0], row + 10000, 5000); }
    done(); start("sendfile64"); put(to_ == out); put(count);
    EACH(high, 0, 1, 2, 0x7fffffff, -1) EACH(low, 0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff) { long at_[2] = {low, high}; C(syscall(239, to_, file, at_, count)); put(at_[0]); put(at_[1]); while (to_ != out && syscall(54, p[0], 0x541b, row + 19000) == 0 && *(int *)(row + 19000)) read(p[0], row + 10000, 5000); }
    done(); start("its own"); put(to_ == out); put(count);
    EACH(high, 0, 1, 2) EACH(low, 0, 0x7ffffffe, 0xfffffffe) { syscall(140, file, high, low, row + 18000, 0); C(syscall(187, to_, file, 0, count)); long at_[2]; syscall(140, file, 0, 0, at_, 1); put(at_[0]); put(at_[1]); while (to_ != out && syscall(54, p[0], 0x541b, row + 19000) == 0 && *(int *)(row + 19000)) read(p[0], row + 10000, 5000); }
    done();
  }
  return 0;
}
