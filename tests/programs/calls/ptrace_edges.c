/* ptrace: every word of struct user, every bit of the flags, selectors and debug registers, FPU images, thread areas */
#include "calls.h"
#define ptrace(r, a, d) syscall(26, r, c, a, d)
enum { PEEKTEXT = 1, PEEKDATA, PEEKUSR, POKETEXT, POKEDATA, POKEUSR, CONT, PT_KILL, STEP, GETREGS = 12, SETREGS, GETFP, SETFP, ATTACH, DETACH, GETFPX, SETFPX, GETAREA = 25, SETAREA };
static int c, st; static unsigned word, regs[17], back[17]; static unsigned char fx[512], fp[108], got[512];
struct desc { unsigned entry, base, limit, bits; } d;
#define TELL(what, ...) { errno = 0; int r_ = __VA_ARGS__; printf(what ": %d\n", r_ == -1 ? -errno : r_); }
static unsigned peek(int at) { word = 0xeeeeeeee; errno = 0; int r = ptrace(PEEKUSR, at, &word); return r == -1 ? -errno : word; }
static unsigned sum(void *p, int n) { unsigned s = 0; for (unsigned char *q = p; n--; q++) s = s * 31 + *q; return s; }
int main() {
  c = CHILD(syscall(26, 0, 0, 0, 0); kill(getpid(), SIGSTOP); for (;;) syscall(20));
  waitpid(c, &st, 0); printf("%x\n", st);
  ptrace(GETREGS, 0, regs); for (int at = -8; at < 68; at++) if (at < 0 || at % 4) printf("peek %d: %x\n", at, peek(at));
  for (int at = 0; at < 68; at += 4) printf("peek %d: %d\n", at, peek(at) == regs[at / 4]);
  for (int at = -4; at < 66; at += 2) if (at < 0 || at % 4) { errno = 0; int r = ptrace(POKEUSR, at, 0); printf("poke %d: %d\n", at, r == -1 ? errno : r); }
  for (int bit = 0; bit < 32; bit++) if (bit != 14) { /* NT is 64-bit kernels' */ unsigned old = peek(56); errno = 0; int r = ptrace(POKEUSR, 56, old ^ 1u << bit); printf("flag %d: %d %x\n", bit, r, peek(56) ^ old); ptrace(POKEUSR, 56, old); }
  static const int selectors[] = {7, 8, 9, 10, 13, 16}; static const unsigned values[] = {0, 1, 2, 3, 4, 7, 0xf, 0x10, 0x10003, 0xffff, 0xffffffff};
  for (int s = 0; s < 6; s++) for (int v = 0; v < 11; v++) { int at = 4 * selectors[s]; unsigned old = peek(at); errno = 0; int r = ptrace(POKEUSR, at, values[v]); printf("selector %d %x: %d %x\n", selectors[s], values[v], r ? errno : 0, peek(at) == old ? -1 : peek(at)); ptrace(POKEUSR, at, old); }
  for (int at = 0; at < 68; at += 4) if (at < 28 || at == 44 || at == 48 || at == 60) { unsigned old = peek(at); TELL("any", ptrace(POKEUSR, at, 0x89abcdef)); printf("%x\n", peek(at)); ptrace(POKEUSR, at, old); }
  for (int n = 0; n < 8; n++) for (int bit = 0; bit < 32; bit++) if (bit < 10 || bit > 15) { int at = 252 + 4 * n; errno = 0; int r = ptrace(POKEUSR, at, 1u << bit); printf("dr%d %d: %d %x\n", n, bit, r ? errno : 0, peek(at)); ptrace(POKEUSR, at, 0); }
  for (unsigned v = 0; v < 16; v++) for (unsigned on = 1; on < 4; on++) { ptrace(POKEUSR, 252, 0x1000 + v); errno = 0; int r = ptrace(POKEUSR, 280, v << 16 | on); printf("dr7 %x %d: %d %x\n", v, on, r ? errno : 0, peek(280)); ptrace(POKEUSR, 280, 0); }
  for (int n = 0; n < 4; n++) { ptrace(POKEUSR, 252 + 4 * n, 0x2000); errno = 0; int r = ptrace(POKEUSR, 280, 1u << 2 * n | 0xd0000u << 4 * n); printf("dr7 of %d: %d %x\n", n, r ? errno : 0, peek(280)); }
  ptrace(POKEUSR, 280, 0); for (int n = 0; n < 8; n++) ptrace(POKEUSR, 252 + 4 * n, 0);
  memcpy(back, regs, 68); for (int n = 0; n < 17; n++) if (n < 7 || n == 11 || n == 12 || n == 15) back[n] = 0x11111111 * (n + 1); back[14] ^= 0xd5; TELL("set", ptrace(SETREGS, 0, back)); memset(back, 0, 68); ptrace(GETREGS, 0, back); for (int n = 0; n < 17; n++) printf("%d %x\n", n, n < 7 || n == 11 || n == 12 || n == 15 ? back[n] : back[n] ^ regs[n]);
  memcpy(back, regs, 68); back[0] = 1; back[7] = 1; back[15] = 2; TELL("a bad one", ptrace(SETREGS, 0, back)); ptrace(GETREGS, 0, back); printf("%x %d %d\n", back[0], back[7] == regs[7], back[15] == 0x11111111 * 16); TELL("all", ptrace(SETREGS, 0, regs));
  TELL("bad", ptrace(GETREGS, 0, 8)); TELL("bad", ptrace(SETREGS, 0, 8)); TELL("bad", ptrace(GETFP, 0, 8)); TELL("bad", ptrace(SETFP, 0, 8)); TELL("bad", ptrace(GETFPX, 0, 8)); TELL("bad", ptrace(SETFPX, 0, 8)); TELL("bad", ptrace(PEEKUSR, 0, 8)); TELL("bad", ptrace(PEEKDATA, 0, &word)); TELL("bad", ptrace(POKEDATA, 0, 1)); TELL("bad", ptrace(PEEKDATA, 8, 8)); TELL("none", ptrace(99, 0, 0));
  TELL("fpx", ptrace(GETFPX, 0, fx)); printf("%x %x\n", *(unsigned short *)fx, *(unsigned *)(fx + 24)); for (int n = 32; n < 288; n++) fx[n] = n * 7; for (int n = 0; n < 8; n++) memset(fx + 42 + 16 * n, 0, 6); fx[2] = 0x20; fx[3] = 0x38; fx[4] = 0x5a; fx[0] = 0x40; TELL("fpx", ptrace(SETFPX, 0, fx)); memset(got, 0, 512); ptrace(GETFPX, 0, got); printf("%x %x %x\n", sum(got, 6), sum(got + 32, 128), sum(got + 160, 128));
  memset(fp, 0, 108); TELL("fp", ptrace(GETFP, 0, fp)); printf("%x %x %x %x\n", *(unsigned *)fp, *(unsigned *)(fp + 4), *(unsigned *)(fp + 8) & 0xffff, sum(fp + 28, 80)); *(unsigned *)fp = 0xffff027f; *(unsigned *)(fp + 4) = 0xffff0000 | 3 << 11; for (int v = 0; v < 4; v++) { *(unsigned *)(fp + 8) = 0xffff0000 | 0x1b1b ^ v; for (int n = 0; n < 80; n++) fp[28 + n] = n + v; TELL("fp", ptrace(SETFP, 0, fp)); memset(got, 0, 512); ptrace(GETFP, 0, got); printf("%x %x %x %x\n", *(unsigned short *)got, *(unsigned short *)(got + 4), *(unsigned short *)(got + 8), sum(got + 28, 80)); ptrace(GETFPX, 0, got); printf("%x %x %x\n", sum(got, 6), sum(got + 32, 10), sum(got + 160, 128)); }
  for (int bit = 0; bit < 32; bit++) if (bit != 17) { /* some have that one */ ptrace(GETFPX, 0, fx); unsigned old = *(unsigned *)(fx + 24); *(unsigned *)(fx + 24) = old ^ 1u << bit; errno = 0; int r = ptrace(SETFPX, 0, fx); ptrace(GETFPX, 0, got); printf("mxcsr %d: %d %x\n", bit, r ? errno : 0, *(unsigned *)(got + 24) ^ old); *(unsigned *)(fx + 24) = old; ptrace(SETFPX, 0, fx); }
  printf("%x\n", peek(44)); for (int i = 0; i < 4; i++) { word = ptrace(PEEKTEXT, (int)main + i, &regs[0]); printf("%d %d\n", word, regs[0] == *(unsigned *)((char *)main + i)); } TELL("poke", ptrace(POKETEXT, (int)&d + 1, 0x12345678)); TELL("peek", ptrace(PEEKDATA, &d, &word)); printf("%x\n", word);
  int e = ptrace(GETAREA, 12, &d) ? 6 : 12; /* in a 64-bit kernel */
  for (int n = -1; n < 3; n++) { d = (struct desc){e, 0x12345 + n, 0xfff, 0x51}; TELL("area", ptrace(SETAREA, n < 0 ? -1 : e + n, &d)); d.base = d.limit = d.bits = 0; TELL("area", ptrace(GETAREA, n < 0 ? -1 : e + n, &d)); printf("%d %x %x %x\n", d.entry - e, d.base, d.limit, d.bits & 0x7f); }
  TELL("area", ptrace(GETAREA, e + 3, &d)); TELL("area", ptrace(SETAREA, e + 3, &d)); TELL("area", ptrace(GETAREA, e - 1, &d)); TELL("area", ptrace(SETAREA, e - 1, &d)); TELL("area", ptrace(GETAREA, e, 8)); TELL("area", ptrace(SETAREA, e, 8));
  kill(c, SIGKILL); waitpid(c, &st, 0); printf("%x\n", st); TELL("dead", ptrace(PEEKUSR, 0, &word)); TELL("none", syscall(26, PEEKUSR, 999999, 0, &word)); TELL("no child", syscall(26, CONT, getpid(), 0, 0));
  return 0;
}
