/* what a user's pipes may hold in all: fs.pipe-user-pages-soft, and fs.pipe-max-size, for one who is not root */
#include "calls.h"
int main() {
  int p[2], n = 0, last[2];
  syscall(206, 0, 0); syscall(214, 99); pipe(p); S(syscall(213, 12345)); S(fcntl(p[1], 1032)); S(fcntl(p[1], 1031, 1 << 21)); S(fcntl(p[1], 1031, 1 << 20)); S(fcntl(p[1], 1031, 0)); S(fcntl(p[1], 1032));
  for (n = 0; n < 100; n++) { pipe(last); if (fcntl(last[1], 1031, 1 << 20) < 0) break; }
  printf("%d pipes, error %d\n", n, errno); S(fcntl(last[1], 1032)); S(fcntl(last[1], 1031, 4096)); S(fcntl(last[1], 1031, 8192)); S(fcntl(last[1], 1032));
  for (n = 0; n < 20; n++) { pipe(last); if (fcntl(last[1], 1032) != 65536) break; } printf("small after %d\n", n); S(fcntl(last[1], 1032)); S(fcntl(last[1], 1031, 65536));
  S(write(last[1], &n, 4)); S(read(last[0], &n, 4)); S(fcntl(last[1], 1031, 4096)); S(fcntl(last[1], 1031, 8192));
  for (int f = 20; f < 40; f++) close(f); pipe(last); S(fcntl(last[1], 1032)); S(fcntl(last[1], 1031, 1 << 20)); return 0;
}
