/* splice, tee and vmsplice of several pieces: to, from and between positions of a file and pipes; what arrives, and where. */
#include "calls.h"
#include "rows.h"
static char data[65536], back[65536];
static int file, pieces[2], other[2];
static unsigned sum(const char *p, int n) { unsigned s = n; while (n-- > 0) s = s * 31 + (unsigned char)*p++; return s >> 1; }
/* What a pipe holds, taken out of it piece by piece. */
static void held(int *p) { int n; while ((n = read(p[0], back, sizeof back)) > 0) { put(n); put(sum(back, n)); } errno = 0; }
static void contents(void) { int n = syscall(180, file, back, sizeof back, 0, 0); put(n); put(sum(back, n)); }
/* Pieces of these sizes: one write each, which no other joins. */
static void fill(int which) {
  static const int sizes[][5] = {{10}, {1, 5, 3}, {4096, 4096, 7}, {100, 4096, 4000}, {4095, 2, 4097, 1}};
  close(pieces[0]); close(pieces[1]); syscall(331, pieces, O_NONBLOCK | 040000); int at = 0;
  for (int i = 0; i < 5 && sizes[which][i]; i++) { write(pieces[1], data + at, sizes[which][i]); at += sizes[which][i]; }
}
int main() {
  for (int i = 0; i < sizeof data; i++) data[i] = i * 7 + i / 251;
  pipe(pieces); syscall(331, other, O_NONBLOCK);
  file = syscall(356, "m", 0);
  for (int which = 0; which < 5; which++) EACH(length, 1, 6, 7, 4096, 4097, 8200, 60000) {
    start("into"); put(which); put(length);
    EACH(at, -1, 0, 3, 4090, 70000) { syscall(93, file, 0); write(file, data + 5, 0); lseek(file, 11, 0); fill(which); u64 at_ = at; C(syscall(313, pieces[0], 0, file, at < 0 ? 0 : &at_, length, 2)); put(at_); put(lseek(file, 0, 1)); contents(); held(pieces); }
    done(); start("across"); put(which); put(length); fill(which); held(other); C(syscall(315, pieces[0], other[1], length, 2)); held(other); C(syscall(313, pieces[0], 0, other[1], 0, length, 2)); held(other); held(pieces); done();
  }
  syscall(93, file, 0); lseek(file, 0, 0); write(file, data, 20000);
  EACH(length, 1, 4096, 4097, 19000, 30000) { start("out of"); put(length); EACH(at, -1, 0, 1, 4095, 4096, 19999, 20000, 20001) { lseek(file, 100, 0); u64 at_ = at; C(syscall(313, file, at < 0 ? 0 : &at_, other[1], 0, length, 2)); put(at_); put(lseek(file, 0, 1)); int n = read(other[0], back, sizeof back); put(n < 0 ? -errno : n); put(n > 0 ? sum(back, n) : 0); errno = 0; } done(); }
  struct iovec v[3] = {{data + 4090, 10}, {data, 0}, {data + 9000, 5000}};
  EACH(count, 0, 1, 2, 3) EACH(flags, 0, 2, 8, 16) { start("from memory"); put(count); put(flags); C(syscall(316, other[1], v, count, flags)); int n = read(other[0], back, sizeof back); put(n < 0 ? -errno : n); put(n > 0 ? sum(back, n) : 0); errno = 0; write(other[1], data, 5010); struct iovec to_[2] = {{back, 7}, {back + 100, 6000}}; memset(back, 0, 6200); C(syscall(316, other[0], to_, count ? 2 : 0, flags)); put(sum(back, 6200)); held(other); done(); }
  return 0;
}
