/* seccomp, strict and with filters; prctl; what a process may not do any more */
#include "calls.h"
#define prctl(...) CALL7(172, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define seccomp(...) CALL7(354, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
struct filter { unsigned short code; unsigned char jt, jf; unsigned k; };
struct prog { unsigned short len; struct filter *filter; };
#define STMT(c, k) {c, 0, 0, k}
#define JUMP(c, k, t, f) {c, t, f, k}
#define ON(nr, action) {STMT(0x20, 0), JUMP(0x15, nr, 0, 1), STMT(6, action), STMT(6, 0x7fff0000)}
static int install(struct filter *f, int n) { struct prog p = {n, f}; return seccomp(1, 0, &p); }
#define ADD(...) ({ struct filter f_[] = __VA_ARGS__; install(f_, sizeof f_ / 8); })
  static void sys(int number, int *info, void *c) { printf("SIGSYS code %d errno %d call %d arch %x\n", info[2], info[1], info[4], info[5]);
  }
static void ended(int child) { int st; waitpid(child, &st, 0); printf("ended %x\n", st & ~0x80); }
int main() {
  int v = 9; unsigned a; S(prctl(21)); S(prctl(38, 0)); S(prctl(38, 1, 1)); S(prctl(39)); S(prctl(39, 1));
  S(prctl(3)); S(prctl(4, 2)); S(prctl(4, 0)); S(prctl(3)); S(prctl(4, 1)); S(prctl(27)); S(prctl(8, 1));
  S(prctl(7)); S(prctl(8, 2)); S(prctl(8, 0)); S(prctl(1, 99)); S(prctl(1, SIGUSR1)); S(prctl(2, &v));
  printf("%d\n", v); S(prctl(2, 8)); S(prctl(13)); S(prctl(14, 1)); S(prctl(14, 0)); S(prctl(25, &v));
  printf("%d\n", v); S(prctl(26, 9)); S(prctl(26, 1)); S(prctl(34)); S(prctl(33, 1, 1)); S(prctl(34));
  S(prctl(33, 9)); S(prctl(33, 0)); S(prctl(41, 1)); S(prctl(42)); S(prctl(42, 1)); S(prctl(41, 0));
  S(prctl(12345)); S(prctl(5, &v)); S(prctl(31)); S(prctl(23, 0)); S(prctl(23, 99)); S(prctl(36, 1));
  v = 0; S(prctl(37, &v)); printf("%d\n", v);
  a = 0x7fff0000; S(seccomp(2, 0, &a)); a = 0x50000; S(seccomp(2, 0, &a)); a = 0x12340000;
  S(seccomp(2, 0, &a)); S(seccomp(2, 0, 8)); S(seccomp(2, 1, &a)); unsigned short sizes[3];
  S(seccomp(3, 0, sizes)); printf("%d %d %d\n", sizes[0], sizes[1], sizes[2]); S(seccomp(99, 0, 0));
  S(seccomp(0, 1, 0)); S(seccomp(0, 0, &a)); S(seccomp(1, 0, 8)); S(seccomp(1, 0x8000, &a));
  S(prctl(22, 9, 0)); S(prctl(22, 2, 8));
  struct prog none = {0, 0}, huge = {5000, 0}, bad = {1, (void *)8}; S(seccomp(1, 0, &none));
  S(seccomp(1, 0, &huge)); S(seccomp(1, 0, &bad));
  CHILD(setuid(1000); S(ADD({STMT(6, 0x7fff0000)})); S(prctl(38, 1)); S(prctl(39)); S(ADD({STMT(6, 0x7fff0000)})); S(prctl(21)); S(prctl(22, 1, 0)); S(seccomp(0, 0, 0)));
  reap();
  CHILD(S(ADD({STMT(0x20, 0)})); S(ADD({STMT(0x20, 1), STMT(6, 0)})); S(ADD({STMT(0x20, 64), STMT(6, 0)})); S(ADD({STMT(0x28, 0), STMT(6, 0)})); S(ADD({JUMP(0x15, 0, 1, 0), STMT(6, 0)})); S(ADD({STMT(0x34, 0), STMT(6, 0)})); S(ADD({STMT(0x64, 32), STMT(6, 0)})); S(ADD({STMT(0x94, 2), STMT(6, 0)})); S(ADD({STMT(0x60, 16), STMT(6, 0)})); S(ADD({STMT(0xffff, 0), STMT(6, 0)})); S(ADD({STMT(5, 0), STMT(6, 0x7fff0000)})));
  reap();
  CHILD(S(ADD(ON(20, 0x50000 | 42))); S(syscall(20)); S(syscall(24)); S(ADD(ON(20, 0x50000 | 7))); S(syscall(20)); S(ADD(ON(20, 0x7fff0000))); S(syscall(20)); S(ADD(ON(24, 0x50000 | 0xffff))); printf("%d\n", syscall(24)); S(ADD(ON(47, 0x7ff00000))); S(syscall(47)); S(ADD(ON(49, 0x7ffc0000))); S(syscall(49)); S(ADD(ON(50, 0x7fc00000))); S(syscall(50)); CHILD(S(syscall(20))); reap());
  reap();
  CHILD(struct sigaction sa = {(void *)sys, SA_SIGINFO}; sigaction(31, &sa, 0); S(ADD(ON(20, 0x30000 | 77))); syscall(20); sa.sa_handler = 0; sa.sa_flags = 0; S(sigaction(31, &sa, 0)));
  reap();
  ended(CHILD(ADD(ON(20, 0)); syscall(20)));
  ended(CHILD(signal(31, SIG_IGN); ADD(ON(20, 0x80000000)); syscall(20)));
  ended(CHILD(ADD(ON(20, 0x30000)); syscall(20))); ended(CHILD(ADD(ON(20, 0x7ffe0000)); syscall(20)));
  ended(CHILD(S(prctl(22, 1)); syscall(4, 1, "strict\n", 7); syscall(1, 5)));
  ended(CHILD(prctl(22, 1); syscall(20))); ended(CHILD(prctl(22, 1); syscall(252, 3)));
  CHILD(struct filter args[] = {STMT(0x20, 0), JUMP(0x15, 175, 0, 5), STMT(0x20, 16), JUMP(0x25, 100, 2, 0), JUMP(0x45, 1, 0, 1), STMT(6, 0x50011), STMT(6, 0x50012), STMT(6, 0x7fff0000)}; S(install(args, 8)); S(syscall(175, 1, 0, 0, 8)); S(syscall(175, 2, 0, 0, 8)); S(syscall(175, 101, 0, 0, 8)));
  reap();
  CHILD(struct filter alu[] = {STMT(0, 10), STMT(7, 0), STMT(4, 5), STMT(0x2c, 0), STMT(2, 3), STMT(0x14, 1), STMT(0x84, 0), STMT(0x54, 0xff), STMT(0xa4, 0x0f), STMT(0x64, 4), STMT(0x74, 2), STMT(0x34, 3), STMT(0x44, 1), STMT(0x61, 3), STMT(0x0c, 0), STMT(2, 4), STMT(0x20, 0), JUMP(0x15, 20, 0, 3), STMT(0x60, 4), STMT(0x44, 0x50000), STMT(0x16, 0), STMT(6, 0x7fff0000)}; S(install(alu, 22)); S(syscall(20)));
  reap();
  struct filter yes[] = {STMT(6, 0x7fff0000)};
  struct prog p = {1, yes}; CHILD(S(seccomp(1, 1, &p))); reap(); CHILD(S(prctl(22, 2, &p)); S(prctl(21))); reap();
  int flags[3] = {0x10000000, 0x20000000, 0x8000000};
  for (int i = 0; i < 3; i++) CHILD(S(syscall(310, flags[i])));
  reap(); CHILD(S(syscall(310, 0x20000000)); CHILD(printf("%d\n", syscall(20))); reap()); reap();
  CHILD(S(syscall(310, 1))); reap();
  long usage[18]; S(syscall(77, 0, usage)); printf("%d\n", usage[4] > 0);
  char *m = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHILD(for (int i = 0; i < 1 << 20; i += 4096) m[i] = 1); reap(); S(syscall(77, -1, usage));
  printf("%d\n", usage[4] >= 1024);
  return 0;
}
