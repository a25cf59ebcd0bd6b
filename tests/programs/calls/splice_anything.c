/* splice and sendfile with what is no file of a disk: devices, sockets, settings; ioctls of /dev/random */
#include "calls.h"
#define splice(i, io, o, oo, n, f) syscall(313, i, io, o, oo, n, f)
#define sendfile(o, i, p, n) syscall(239, o, i, p, n)
static int p[2], q[2], s[2], d[2]; static char b[70000];
static int sum(int n) { int all = 0; for (int i = 0; i < n; i++) all |= b[i]; return all; }
static void from(const char *name) {
  int f = open(name, O_RDONLY); u64 at = 3; printf("from %s\n", name);
  S(splice(f, 0, p[1], 0, 1000, 0)); memset(b, 'x', 5000); fcntl(p[0], F_SETFL, O_NONBLOCK); int n = S(read(p[0], b, 5000)); printf("%d\n", n > 0 && sum(n) != 0);
  S(splice(f, 0, p[1], 0, 1 << 20, 0)); while (read(p[0], b, 65536) > 0) continue;
  S(splice(f, &at, p[1], 0, 10, 0)); printf("%llu\n", at); while (read(p[0], b, 65536) > 0) continue;
  S(sendfile(p[1], f, 0, 5000)); while (read(p[0], b, 65536) > 0) continue; fcntl(p[0], F_SETFL, 0); close(f);
}
static void to(const char *name) {
  int f = open(name, O_WRONLY); u64 at = 3; printf("to %s\n", name); fcntl(p[0], F_SETFL, O_NONBLOCK);
  write(p[1], "some words", 10); S(splice(p[0], 0, f, 0, 4, 0)); S(splice(p[0], &at, f, 0, 4, 0)); S(splice(p[0], 0, f, &at, 4, 0)); S(splice(p[0], 0, f, 0, 99, 0)); S(splice(p[0], 0, f, 0, 99, 0));
  while (read(p[0], b, 100) > 0) continue; fcntl(p[0], F_SETFL, 0); close(f);
}
static void socket(int type) {
  int w[2]; S(syscall(360, 1, type, 0, w)); printf("type %d\n", type);
  write(w[0], "first", 5); write(w[0], "second", 6); S(splice(w[1], 0, p[1], 0, 3, 0)); int n = S(read(p[0], b, 99)); printf("%.3s\n", b);
  n = S(splice(w[1], 0, p[1], 0, 99, 0)); memset(b, 0, 99); S(read(p[0], b, 99)); printf("%s\n", b);
  int c = 0; if (type != 1) c = CHILD(ms(30); write(w[0], "late", 4)); S(splice(w[1], 0, p[1], 0, 99, 2)); if (c) { reap(); S(read(p[0], b, 99)); } fcntl(w[1], F_SETFL, O_NONBLOCK); S(splice(w[1], 0, p[1], 0, 99, 0)); fcntl(w[1], F_SETFL, O_RDWR);
  c = CHILD(ms(30); write(w[0], "late", 4)); S(splice(w[1], 0, p[1], 0, 99, 0)); reap(); S(read(p[0], b, 99));
  u64 at = 0; S(splice(w[1], &at, p[1], 0, 1, 0)); write(w[0], "sent", 4); S(sendfile(p[1], w[1], 0, 4)); S(read(p[0], b, 99)); c = CHILD(ms(30); write(w[0], "la", 2); ms(30); write(w[0], "ter", 3)); S(sendfile(p[1], w[1], 0, 5)); reap(); S(read(p[0], b, 99)); fcntl(w[1], F_SETFL, O_NONBLOCK); S(sendfile(p[1], w[1], 0, 5)); fcntl(w[1], F_SETFL, O_RDWR); S(splice(w[1], 0, w[0], 0, 1, 0));
  write(p[1], "through", 7); S(splice(p[0], 0, w[0], 0, 99, 0)); memset(b, 0, 99); S(read(w[1], b, 99)); printf("%s\n", b);
  close(w[0]); if (type != 2) S(splice(w[1], 0, p[1], 0, 99, 0)); close(w[1]);
}
int main() {
  pipe(p); pipe(q);
  from("/dev/zero"); from("/dev/full"); from("/dev/urandom"); from("/dev/null");
  to("/dev/null"); to("/dev/zero"); to("/dev/full"); to("/dev/urandom"); to("/proc/self/comm");
  socket(1); socket(2); socket(5);
  int e = eventfd(1, 0); S(splice(e, 0, p[1], 0, 8, 0)); write(p[1], "12345678", 8); S(splice(p[0], 0, e, 0, 8, 0)); read(p[0], b, 8);
  int f = open("/proc/sys/fs/pipe-max-size", O_RDONLY); S(splice(f, 0, p[1], 0, 99, 0)); f = open("/proc/sys/fs/pipe-max-size", O_WRONLY); S(splice(p[0], 0, f, 0, 99, 0));
  f = open("/dev/random", O_RDONLY); int bits = 0; S(syscall(54, f, 0x80045200, &bits)); printf("%d\n", bits); S(syscall(54, f, 0x80045200, 8)); S(syscall(54, f, 0x5299, 0)); S(syscall(54, f, 0x5401, b));
  CHILD(syscall(206, 0, 0); syscall(214, 9); setuid(9); S(syscall(54, f, 0x5204, 0)); S(syscall(54, f, 0x5206, 0)); S(syscall(54, f, 0x5207, 0)); S(syscall(54, f, 0x40045201, &bits)); S(syscall(395, 77, 4096, 04000 | 01000 | 0600))); reap();
  return 0;
}
