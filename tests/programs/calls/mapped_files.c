/* What is stored through a mapping, as read, pread64, sendfile64 and another mapping find it, whatever part they ask for. */
#include "calls.h"
#include "rows.h"
static char page[32768];
int main() {
  const char *name = own("/tmp/mapped-"); int f = open(name, 0102, 0600), p[2]; unlink(name); write(f, page, 16384); pipe(p);
  char *at = (char *)syscall(192, 0, 16384, 3, 1, f, 0);
  EACH(round, 1, 2, 3) {
    at[0] = round; at[4095] = 10 + round; at[12288] = 20 + round; at[16383] = 30 + round;
    EACH(from, 0, 1, 4095, 4096, 8192, 12287, 12288, 16383) EACH(count, 1, 2, 4096, 8192, 16384, 32768) {
      start("part"); put(from); put(count); memset(page, 99, sizeof page); long n = C(syscall(180, f, page, count, from, 0));
      for (long i = 0; i < n; i++) if (page[i]) { put(from + i); put(page[i]); } done();
      at[0]++; at[12288]++;
    }
    start("whole"); lseek(f, 0, 0); long n = C(read(f, page, sizeof page)); put(page[0]); put(page[4095]); put(page[12288]); put(page[16383]);
    u64 pos = 12288; at[12288] = round; C(syscall(239, p[1], f, &pos, 4)); C(read(p[0], page, 4)); put(page[0]);
    char *again = (char *)syscall(192, 0, 4096, 1, 2, f, 3); put(again[0]); munmap(again, 4096); C(syscall(144, at + 12288, 4096, 4)); done();
  }
  munmap(at, 16384); start("after"); C(syscall(180, f, page, 16384, 0, 0)); put(page[0]); put(page[4095]); put(page[12288]); put(page[16383]); done();
  return 0;
}
