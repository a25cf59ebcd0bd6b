/* sendmmsg and recvmmsg: those that wait, that stop half-way, and that are late */
#include "calls.h"
struct msg { void *name; unsigned namelen; struct iovec *iov; unsigned iovlen; void *control; unsigned controllen, flags, len; };
static struct msg M[8]; static struct iovec V[8]; static char b[8][16]; static int s[2];
static void fill(const char *text) {
  for (int i = 0; i < 8; i++) { strcpy(b[i], text); V[i] = (struct iovec){b[i], strlen(text)}; M[i] = (struct msg){0, 0, &V[i], 1}; }
}
static void say(int n) { for (int i = 0; i < n; i++) { printf("  %u %.6s\n", M[i].len, b[i]); M[i].len = 99; } }
int main() {
  struct timespec t = {0, 20000000}, none = {0, 0}, bad = {0, -1};
  S(syscall(360, 1, 2, 0, s)); fill("out");
  S(syscall(345, s[0], M, 3, 0)); say(4); S(syscall(345, s[0], M, 0, 0)); S(syscall(345, 99, M, 1, 0)); S(syscall(345, s[0], 8, 1, 0)); S(syscall(345, 1, M, 1, 0));
  fill("......"); S(syscall(337, s[1], M, 2, 0, 0)); say(3); S(syscall(337, s[1], M, 4, 0x10000, 0)); say(2);
  S(syscall(337, s[1], M, 4, 0x40, 0)); S(syscall(337, s[1], M, 4, 0x40, &bad)); S(syscall(337, s[1], M, 4, 0x40, 8)); S(syscall(337, s[1], M, 0, 0, 0));
  int c = CHILD(ms(20); write(s[0], "one", 3); ms(20); write(s[0], "two", 3)); S(syscall(337, s[1], M, 2, 0, 0)); say(2); reap();
  c = CHILD(ms(20); write(s[0], "1", 1); ms(40); write(s[0], "2", 1); write(s[0], "3", 1)); S(syscall(337, s[1], M, 8, 0x10000, 0)); say(1); reap(); for (int i = 0; i < 8; i++) V[i].iov_len = 6; S(syscall(337, s[1], M, 8, 0x40, 0)); say(3);
  c = CHILD(ms(40); write(s[0], "late", 4)); S(syscall(337, s[1], M, 8, 0, &t)); say(1); reap(); S(syscall(337, s[1], M, 8, 0x40, &none));
  write(s[0], "x", 1); write(s[0], "y", 1); S(syscall(337, s[1], M, 8, 0, &none)); say(1); S(syscall(337, s[1], M, 8, 0x40, 0));
  write(s[0], "x", 1); write(s[0], "y", 1); M[1].iov = (void *)8; S(syscall(337, s[1], M, 3, 0, 0)); say(1); M[1].iov = &V[1]; S(syscall(337, s[1], M, 1, 0x40, 0));
  signal(SIGUSR1, hit); int me = getpid(); struct sigaction plain = {hit}; sigaction(SIGUSR1, &plain, 0);
  c = CHILD(ms(20); write(s[0], "z", 1); ms(20); kill(me, SIGUSR1)); S(syscall(337, s[1], M, 3, 0, 0)); say(1); reap(); printf("%d\n", hits); S(syscall(360, 1, 2, 0, s));
  c = CHILD(ms(20); kill(me, SIGUSR1)); S(syscall(337, s[1], M, 3, 0, 0)); reap();
  fill("more"); M[1].iov = (void *)8; S(syscall(345, s[0], M, 3, 0)); M[0].iov = (void *)8; S(syscall(345, s[0], M, 3, 0)); S(read(s[1], b[0], 9));
  fill("full"); int sent = 0; while (syscall(345, s[0], M, 1, 0x40) == 1) sent++; printf("%d %d\n", sent > 3, errno);
  c = CHILD(ms(20); while (syscall(371, s[1], b[0], 9, 0x40, 0, 0) > 0)); printf("%d\n", syscall(345, s[0], M, 3, 0) > 0); reap(); fill("last"); close(s[1]); signal(SIGPIPE, SIG_IGN); S(syscall(345, s[0], M, 3, 0));
  return 0;
}
