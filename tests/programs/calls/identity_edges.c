/* Who a process is: every way from some ids to others, with the capabilities that come and go, groups and limits. */
#include "calls.h"
#include "rows.h"
#define FS_SET (1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 1 << 27)
static unsigned caps[6], all[6];
static void look(void) {
  unsigned head[2] = {0x20080522, 0}; syscall(184, head, caps);
}
static void ids(int group) {
  unsigned r, e, s; syscall(group ? 211 : 209, &r, &e, &s); errno = 0; put(r); put(e); put(s); put(syscall(group ? 216 : 215, -1)); look();
  /* effective, permitted: none, all, or with the file system's missing */
  for (int i = 0; i < 2; i++) put(!caps[i] ? 0 : caps[i] == all[i] ? 1 : caps[i] == (all[i] & ~FS_SET) ? 2 : caps[i] == (all[i] & FS_SET) ? 3 : 4);
  put(syscall(172, 3)); /* PR_GET_DUMPABLE */
  put(syscall(group ? 47 : 24)); put(syscall(group ? 50 : 49)); put(syscall(group ? 200 : 199)); put(syscall(group ? 202 : 201));
}
static const int states[][3] = {{0, 0, 0}, {1, 2, 3}, {0, 1, 2}, {1, 0, 2}, {1, 2, 0}};
static long change(int group, int n) {
  static const int args[] = {-1, 0, 1, 2, 3, 9};
  static const int some[][3] = {{-1, -1, -1}, {0, -1, -1}, {-1, 1, -1}, {-1, -1, 2}, {1, 2, 3}, {3, 1, 2}, {2, 2, 2}, {9, -1, -1}, {-1, 9, -1}, {-1, -1, 9}, {-1, 3, -1}, {3, 3, -1}, {-1, 0, -1}};
  if (n < 6) return syscall(group ? 214 : 213, args[n]);
  if ((n -= 6) < 6) return syscall(group ? 216 : 215, args[n]);
  if ((n -= 6) < 20) return syscall(group ? 204 : 203, args[n / 5 + (n / 5 > 2)], args[n % 5 + (n % 5 > 3)]);
  if ((n -= 20) < 13) return syscall(group ? 210 : 208, some[n][0], some[n][1], some[n][2]);
  return -1;
}
static void changes(void) {
  for (int group = 0; group < 2; group++) for (int s = 0; s < 5; s++) for (int n = 0; n < 45;) {
    int status, pid = fork();
    if (!pid) {
      if (group) { syscall(210, states[s][0], states[s][1], states[s][2]); if (s == 1) syscall(208, 7, 7, 7); }
      else syscall(208, states[s][0], states[s][1], states[s][2]);
      for (; n < 45; n++) {
        start(group ? "group" : "user"); put(s); put(n); syscall(172, 4, 1); C(change(group, n)); ids(group); done();
        unsigned a[3]; syscall(group ? 211 : 209, a, a + 1, a + 2);
        if (s != 1 || n >= 6 && n < 12 || syscall(group ? 210 : 208, 1, 2, 3) < 0) break;
      }
      _exit(n + 1 > 45 ? 45 : n + 1);
    }
    waitpid(pid, &status, 0); n = status >> 8 & 255; if (!n) break;
  }
}
static void by_bits(void) { /* what securebits make of it */
  EACH(bits, 4, 16, 20, 0x10 | 0x20, 1) CHILD(start("bits"); C(syscall(172, 28, bits)); C(syscall(172, 27)); C(syscall(172, 7)); C(syscall(208, 5, 5, 5)); ids(0); C(syscall(172, 28, 0)); C(syscall(172, 8, 1)); done()), wait(0);
  CHILD(start("keep"); C(syscall(172, 8, 1)); C(syscall(172, 8, 2)); C(syscall(172, 7)); C(syscall(208, 5, 5, 0)); ids(0); C(syscall(208, 5, 5, 5)); ids(0); C(syscall(208, 0, 0, 0)); ids(0); done()), wait(0);
  CHILD(start("locked"); C(syscall(172, 28, 0x0c)); C(syscall(172, 28, 8)); C(syscall(172, 28, 4)); C(syscall(172, 28, 0x0d)); C(syscall(172, 28, 0x2c)); C(syscall(172, 28, 0x3c)); C(syscall(172, 28, 0x1000)); C(syscall(172, 27)); done()), wait(0);
}
static void old_calls(void) {
  static unsigned short s[3]; static unsigned char out[64];
  CHILD(start("16 bits"); C(syscall(164, -1, 0xffff, 0x1ffff)); ids(0); C(syscall(164, 70000, -1, -1)); C(syscall(208, 70000, -1, -1)); C(syscall(165, s, s + 1, s + 2)); for (int i = 0; i < 3; i++) put(s[i]); C(syscall(24)); C(syscall(70, 0xffff, 3)); ids(0); C(syscall(138, 5)); C(syscall(138, 0xffff)); C(syscall(23, 0xffff)); C(syscall(23, 3)); ids(0); done()), wait(0);
  CHILD(start("16 bits"); C(syscall(170, -1, 0xffff, 0x1ffff)); ids(1); C(syscall(210, 70000, -1, -1)); C(syscall(171, s, s + 1, s + 2)); for (int i = 0; i < 3; i++) put(s[i]); C(syscall(71, 0xffff, 3)); ids(1); C(syscall(139, 5)); C(syscall(139, 0xffff)); C(syscall(46, 0xffff)); C(syscall(46, 3)); ids(1); C(syscall(165, s, 1, s)); C(syscall(211, s, s, 1)); done()), wait(0);
  CHILD(start("groups"); unsigned some[4] = {70000, 5, 65535, 5};
    EACH(n, 0, 1, 3, 4, -1, 65537) C(syscall(206, n, some));
    C(syscall(206, 4, some)); EACH(n, 0, 1, 3, 4, 5, -1) { memset(out, 0, 64); C(syscall(205, n, out)); for (int i = 0; i < 5; i++) put(((unsigned *)out)[i]); C(syscall(80, n, out)); for (int i = 0; i < 5; i++) put(((unsigned short *)out)[i]); }
    C(syscall(205, 4, 1)); C(syscall(206, 1, 1)); C(syscall(81, 4, some)); C(syscall(205, 16, out)); for (int i = 0; i < 4; i++) put(((unsigned *)out)[i]); C(syscall(206, 0, 1)); C(syscall(205, 4, 1)); setuid(5); C(syscall(206, 0, 0)); C(syscall(206, -1, 0)); C(syscall(81, 1, some)); done()), wait(0);
}
static void capabilities(void) {
  unsigned head[2], data[6];
  start("capset"); look();
  EACH(version, 0, 0x19980330, 0x20071026, 0x20080522, 0x20080523) EACH(pid, 0, -1, 999999, 1) { head[0] = version; head[1] = pid; memcpy(data, caps, 24); C(syscall(185, head, data)); put(head[0]); head[0] = version; C(syscall(184, head, 0)); }
  done();
  EACH(drop, 0, 1, 2, 3, 4, 5, 6, 7) CHILD(start("drop"); head[0] = 0x20080522; head[1] = 0; memcpy(data, caps, 24); for (int i = 0; i < 3; i++) if (drop >> i & 1) data[i] &= ~(1 << 5); data[2] |= drop & 4 ? 1 << 7 : 0; C(syscall(185, head, data)); look(); for (int i = 0; i < 3; i++) put(caps[i] >> 5 & 1), put(caps[i] >> 7 & 1);
    data[1] |= 1 << 5; data[0] |= 1 << 5; C(syscall(185, head, data)); data[2] |= 1 << 6; C(syscall(185, head, data)); C(syscall(172, 24, 6)); C(syscall(172, 23, 6)); data[2] ^= 1 << 6; C(syscall(185, head, data)); data[2] |= 1 << 6; C(syscall(185, head, data)); done()), wait(0);
  CHILD(start("bounds"); EACH(cap, -1, 0, 5, 34, 1000) { C(syscall(172, 23, cap)); C(syscall(172, 24, cap)); C(syscall(172, 23, cap)); } setuid(5); C(syscall(172, 24, 3)); C(syscall(172, 24, 1000)); C(syscall(172, 28, 1)); C(syscall(172, 28, 0)); done()), wait(0);
}
static void limits(void) {
  static unsigned l[2]; static u64 wide[2], was[2];
  CHILD(start("rlimit"); EACH(r, -1, 0, 7, 15, 16) { l[0] = 5; l[1] = 4; C(syscall(75, r, l)); C(syscall(191, r, 1)); C(syscall(75, r, 1)); C(syscall(76, r, 1)); C(syscall(340, 0, r, 0, 0)); C(syscall(340, 0, r, 1, 0)); C(syscall(340, 0, r, 0, 1)); }
    l[0] = 77; l[1] = 78; C(syscall(75, 7, l)); C(syscall(191, 7, l)); put(l[0]); put(l[1]); l[0] = l[1] = 0x7fffffff; C(syscall(75, 2, l)); l[0] = l[1] = 0xfffffffe; C(syscall(191, 5, l)); put(l[0]); C(syscall(76, 5, l)); put(l[0]); put(l[1]);
    l[0] = l[1] = -1; C(syscall(75, 5, l)); C(syscall(76, 5, l)); put(l[0]); C(syscall(340, 0, 5, 0, was)); put(was[0]); put(was[0] >> 32); wide[0] = 5; wide[1] = 4; C(syscall(340, 0, 5, wide, was)); l[0] = l[1] = 0xfffffffe; C(syscall(75, 5, l)); C(syscall(340, 0, 5, 0, was)); put(was[0]); put(was[0] >> 32); C(syscall(191, 5, l)); put(l[0]); C(syscall(76, 5, l)); put(l[0]); put(l[1]);
    C(syscall(340, 999999, 5, 0, was)); C(syscall(340, -1, 5, 0, was)); C(syscall(340, 1, 5, 0, 0)); done()), wait(0);
  CHILD(start("rlimit"); l[0] = 10; l[1] = 20; C(syscall(75, 1, l)); setuid(5); EACH(hard, 20, 19, 20, 21, -1, 5) EACH(soft, 0, 5, 19, 20, 21, -1) { l[0] = soft; l[1] = hard; C(syscall(75, 1, l)); } C(syscall(191, 1, l)); put(l[0]); put(l[1]); C(syscall(340, 1, 5, 0, 0)); C(syscall(340, getpid(), 5, 0, 0)); C(syscall(340, syscall(64), 5, 0, 0)); done()), wait(0);
  /* of another: all its ids must be the caller's own */
  for (int i = 0; i < 8; i++) { int p[2], byte; pipe(p); int pid = CHILD(syscall(206, 0, 0); if (i == 7) syscall(210, 5, 5, 6); else syscall(210, 5, 5, 5); syscall(208, i & 1 ? 6 : 5, i & 2 ? 6 : 5, i & 4 && i < 7 ? 6 : 5); write(p[1], "x", 1); pause()); read(p[0], &byte, 1);
    CHILD(start("another's"); syscall(206, 0, 0); syscall(210, 5, 5, 5); setuid(5); C(syscall(340, pid, 5, 0, 0)); C(kill(pid, 0)); C(kill(pid, 18)); C(syscall(97, 0, pid, 19)); C(syscall(155, pid, was)); C(syscall(312, pid, was, was + 1)); C(syscall(347, pid, 0, 0, 0, 0, 0)); done()); waitid(0, 0, 0, 0x1000004); kill(pid, 9); reap(); close(p[0]); close(p[1]); }
}
int main() {
  look(); memcpy(all, caps, 24);
  changes(); by_bits(); old_calls(); capabilities(); limits(); return 0;
}
