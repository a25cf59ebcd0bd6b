/* Every instruction of a filter's programs, which are refused, and what an answer does to a call. Transfers in
 * pieces, and words that are waited for together. */
#include "calls.h"
#include "rows.h"
struct insn { unsigned short code; unsigned char jt, jf; unsigned k; };
static struct insn program[5000];
static struct { unsigned short len, pad; struct insn *at; } prog = {0, 0, program};
static int at;
static void op(int code, unsigned k) { program[at++] = (struct insn){code, 0, 0, k}; }
static void jump(int code, unsigned k, int jt, int jf) { program[at++] = (struct insn){code, jt, jf, k}; }
/* What the program leaves in A, in two halves, as the error of a call that there is not: 600 has 4 of its bits each. */
static long install(int flags) { prog.len = at; return syscall(354, 1, flags, &prog); }
static unsigned answer(void) {
  /* [600 + n] answers bits 8n to 8n+7; others are let through */
  int end = at; op(0x02, 15); op(0x20, 0); jump(0x35, 600, 0, 7); jump(0x25, 603, 6, 0); op(0x14, 600); op(0x24, 8); op(0x07, 0); op(0x60, 15); op(0x7c, 0);
  jump(0x05, 1, 0, 0); op(0x06, 0x7fff0000); op(0x54, 0xff); op(0x44, 0x50000); op(0x16, 0);
  if (install(0) < 0) return -errno;
  unsigned a = 0; for (int n = 0; n < 4; n++) { errno = 0; long r = syscall(600 + n, 0x11223344, 0x55667788, 3, 4, 5, 6); a |= (r == -1 ? errno : 0) << 8 * n; } return a;
}
#define IN_CHILD(...) do { int p_ = fork(); if (!p_) { __VA_ARGS__; done(); _exit(0); } wait(0); } while (0)
static void instructions(void) {
  static const unsigned values[] = {0, 1, 5, 31, 0x7fffffff, 0x80000000, 0xfffffffb, 0xffffffff};
  static const int pairs[][2] = {{6, 2}, {3, 1}, {5, 3}, {7, 7}};
  EACH(code, 0x04, 0x14, 0x24, 0x34, 0x44, 0x54, 0x64, 0x74, 0xa4, 0x84) for (int x = 0; x < 2; x++) for (int i = 0; i < 4; i++) { unsigned k = values[pairs[i][1]]; if (code == 0x84 && (x || i > 1)) continue; IN_CHILD(start("alu"); put(code); put(x); at = 0; op(0x01, k); op(0x00, values[pairs[i][0]]); op(code | (x ? 8 : 0), k); put(answer())); }
  EACH(code, 0x15, 0x25, 0x35, 0x45) EACH(i, 0, 1, 2, 3) IN_CHILD(start("jump"); put(code); put(i); at = 0; static const unsigned a[] = {4, 5, 6, 0x80000000}; op(0x01, 5); op(0x00, a[i]); jump(code, 5, 0, 1); op(0x01, 50); jump(code, 4, 0, 1); jump(0x05, 0, 0, 0); op(0x87, 0); jump(code | 8, 0, 0, 1); op(0x04, 7); put(answer()));
  IN_CHILD(start("words"); at = 0; op(0x80, 0); op(0x02, 0); op(0x81, 0); op(0x03, 1); op(0x00, 9); op(0x02, 2); op(0x61, 2); op(0x60, 0); op(0x0c, 0); op(0x02, 3); op(0x60, 1); op(0x61, 3); op(0x0c, 0); put(answer()));
  IN_CHILD(start("never set"); at = 0; op(0x00, 3); op(0x02, 1); op(0x60, 1); op(0x07, 0); put(answer()));
  for (int word_ = 0; word_ < 16; word_++) if (word_ != 2 && word_ != 3) IN_CHILD(start("data"); put(word_); at = 0; op(0x20, word_ * 4); put(answer()));
  IN_CHILD(start("by nothing"); at = 0; op(0x01, 0); op(0x20, 0); jump(0x15, 600, 0, 2); op(0x3c, 0); op(0x06, 0x50005); op(0x06, 0x7fff0000); C(install(0)); done(); syscall(600); word("still here"));
}
static void refused(void) {
  static const struct insn wrong[] = {{0x20, 0, 0, 1}, {0x20, 0, 0, 60}, {0x20, 0, 0, 64}, {0x20, 0, 0, 63}, {0x28, 0, 0, 0}, {0x30, 0, 0, 0}, {0x40, 0, 0, 0}, {0x60, 0, 0, 15}, {0x60, 0, 0, 16}, {0x61, 0, 0, 16}, {0x02, 0, 0, 15}, {0x02, 0, 0, 16}, {0x03, 0, 0, 16}, {0x34, 0, 0, 0}, {0x34, 0, 0, 1}, {0x94, 0, 0, 1}, {0x3c, 0, 0, 0}, {0x64, 0, 0, 31}, {0x64, 0, 0, 32}, {0x74, 0, 0, 32}, {0x05, 0, 0, 0}, {0x05, 0, 0, 1}, {0x05, 0, 0, 0xffffffff}, {0x15, 0, 0, 0}, {0x15, 1, 0, 0}, {0x15, 0, 1, 0}, {0x15, 0, 255, 0}, {0x16, 0, 0, 0}, {0x06, 0, 0, 0x7fff0000}, {0x0e, 0, 0, 0}, {0xb4, 0, 0, 0}, {0x8c, 0, 0, 0}, {0x07, 0, 0, 5}, {0xffff, 0, 0, 0}, {0x100, 0, 0, 0}};
  IN_CHILD(start("refused"); for (int i = 0; i < 35; i++) if (i != 7 && i != 27) { at = 0; if (i == 5) op(0x00, 0), op(0x02, 15); program[at++] = wrong[i]; op(0x06, 0x7fff0000); C(install(0)); } at = 0; C(install(0)); op(0x00, 0); C(install(0)); prog.at = (void *)1; op(0x06, 0x7fff0000); C(install(0)); prog.at = program; at = 0; for (int i = 0; i < 4095; i++) op(0x00, 1); op(0x06, 0x7fff0000); C(install(0)); at--; op(0x00, 0); op(0x06, 0x7fff0000); C(install(0)); at = 1; program[0] = (struct insn){0x06, 0, 0, 0x7fff0000}; EACH(flags, 1, 2, 4, 16, 32, 64, 0x80) if (flags != 32) put(install(flags) < 0 ? -errno : 0); C(syscall(172, 21)); C(syscall(354, 0, 0, 0)); C(syscall(354, 0, 1, 0)); C(syscall(354, 4, 0, 0)); C(syscall(354, -1, 0, 0)); C(syscall(172, 22, 0)); C(syscall(172, 22, 1)); C(syscall(172, 22, 2, &prog)); C(syscall(172, 22, 2, 1)); C(syscall(172, 22, 3)));
  IN_CHILD(start("allowed"); at = 0; op(0x06, 0x7fff0000); C(setuid(5)); C(install(0)); C(syscall(172, 38, 1, 0, 0, 0)); C(install(0)); C(syscall(354, 1, 0, 1)); static unsigned actions[] = {0, 0x80000000, 0x30000, 0x50000, 0x7ff00000, 0x7ffc0000, 0x7fff0000, 0x40000, 1, 0x50001}; for (int i = 0; i < 10; i++) { C(syscall(354, 2, 0, actions + i)); } C(syscall(354, 2, 1, actions)); C(syscall(354, 2, 0, 1)); static short sizes[4]; C(syscall(354, 3, 0, sizes)); for (int i = 0; i < 3; i++) put(sizes[i]); C(syscall(354, 3, 1, sizes)); C(syscall(354, 3, 0, 1)));
}
static void caught(int sig, siginfo_t *info) { word("SIGSYS"); put(info->si_errno); put(info->si_code); put(((int *)info)[4]); }
static void answers(void) {
  EACH(first, 0x7fff0000, 0x50000, 0x50007, 0x50fff, 0x51000, 0x5ffff, 0x7ff00003, 0x7ffc0000, 0x30009, 0, 0x80000000, 0x00000009, 0x12340000, 0x7fc00000) EACH(second, 0x7fff0000, 0x50003, 0x30004) {
    int status, pid = fork(); if (!pid) { start("answer"); put(first); put(second); struct sigaction a = {(void *)caught, 4, 0, {{0, 0}}}; sigaction(31, &a, 0); for (int i = 0; i < 2; i++) { at = 0; op(0x20, 0); jump(0x15, 600, 0, 1); op(0x06, i ? second : first); op(0x06, 0x7fff0000); put(install(0)); } errno = 0; long r = syscall(600, 1, 2, 3); put(r == -1 ? -errno : r); done(); _exit(0); }
    waitpid(pid, &status, 0); start("status"); put(status & 0x7f); done(); }
  EACH(call_, 3, 4, 20, 119, 173) { int status, pid = fork(); if (!pid) { syscall(354, 0, 0, 0); syscall(call_, 99, 0, 0); syscall(1, 3); } waitpid(pid, &status, 0); start("strict"); put(call_); put(call_ == 119 || call_ == 173 ? (status & 0x7f) == 9 : status); done(); }
}
static char text[200];
static void pieces(void) {
  int p[2]; struct iovec v[3] = {{text, 4}, {text + 8, 4}, {(void *)1, 4}}; start("pieces"); pipe(p); C(write(p[1], "abcd", 4)); C(syscall(145, p[0], v, 2)); C(write(p[1], "abcdef", 6)); C(syscall(145, p[0], v, 2)); put(text[9]); C(write(p[1], "abcdefghij", 10)); C(syscall(54, p[0], 0x541b, text + 40)); put(*(int *)(text + 40)); C(syscall(146, p[1], v + 2, 1)); C(read(p[0], text, 100));
  CHILD(ms(5); write(p[1], "123456", 6)); C(syscall(145, p[0], v, 2)); wait(0); C(syscall(54, p[0], 0x541b, text + 40)); put(*(int *)(text + 40)); CHILD(ms(5); write(p[1], "1234", 4)); C(syscall(145, p[0], v, 2)); wait(0); close(p[1]); C(syscall(145, p[0], v, 2)); close(p[0]); done();
  static struct { u64 val, uaddr; unsigned flags, reserved; } w[129]; static unsigned here = 1; struct { long long sec, nsec; } past = {0, 1}; for (int i = 0; i < 129; i++) { w[i].val = 1; w[i].uaddr = (unsigned long)&here; w[i].flags = 2; }
  start("together"); EACH(n, 0, 1, 2, 127, 128, 129, -1) { C(syscall(449, w, n, 0, &past, 1)); C(syscall(449, w, n, 0, &past, 0)); C(syscall(449, w, n, 1, &past, 1)); C(syscall(449, 0, n, 0, &past, 1)); C(syscall(449, 1, n, 0, &past, 1)); C(syscall(449, w, n, 0, &past, 2)); C(syscall(449, w, n, 0, 1, 1)); } w[1].val = 2; C(syscall(449, w, 1, 0, &past, 1)); C(syscall(449, w, 2, 0, 0, 0)); w[1].val = 1; EACH(flags, 0, 1, 2, 3, 16, 130, 128, 0x1002) { w[1].flags = flags; C(syscall(449, w, 2, 0, &past, 1)); } w[1].flags = 2; w[1].reserved = 1; C(syscall(449, w, 2, 0, &past, 1)); w[1].reserved = 0; w[1].uaddr++; C(syscall(449, w, 2, 0, &past, 1)); w[1].uaddr = 0; C(syscall(449, w, 2, 0, &past, 1)); w[1].uaddr = 1ull << 32; C(syscall(449, w, 2, 0, &past, 1)); w[1].uaddr = (unsigned long)&here; w[1].val = 1ull << 32; C(syscall(449, w, 2, 0, &past, 1)); past.nsec = 1000000000; C(syscall(449, w, 1, 0, &past, 1)); past.nsec = -1; C(syscall(449, w, 1, 0, &past, 1)); done();
}
int main() {
  instructions(); refused(); answers(); pieces(); return 0;
}
