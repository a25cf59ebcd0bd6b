/* Calls on processes at the edges of their arguments: whom they mean, and what is looked at first. */
#include "calls.h"
#include "rows.h"
static char page[4096 * 2] __attribute__((aligned(4096)));
static int info[32], words[64];
/* A child that waits for its end, once it has said that it is ready; each of these is waited for without a clock. */
static int ready[2];
#define BORN(...) ({ char byte_; int b_ = CHILD(__VA_ARGS__; write(ready[1], "x", 1); for (;;) pause()); read(ready[0], &byte_, 1); b_; })
#define UNTIL(event, pid) waitid(1, pid, info, event | 0x41000000)
static void waits(void) {
  int dead = CHILD(_exit(7)), lives = BORN(syscall(57, 0, 0));
  UNTIL(4, dead);
  for (int bit = 0; bit < 32; bit++) {
    start("waitid"); number(&to, bit, 10); *to++ = ' ';
    EACH(with, 0, 4, 2) { memset(info, 0, 128); C(waitid(1, dead, info, 1 | 0x1000000 | with | 1u << bit)); for (int i = 0; i < 6; i++) put(i == 3 ? info[i] == dead : info[i]); }
    done();
  }
  for (int bit = 0; bit < 32; bit++) if (bit != 24) { start("wait4"); number(&to, bit, 10); *to++ = ' '; C(syscall(114, lives, words, 1 | 1u << bit, 0)); C(syscall(114, 999999, words, 1 | 1u << bit, 0)); done(); }
  start("whom");
  EACH(which, -1, 0, 1, 2, 3, 4) EACH(who, 0, -1, 1, 999999, 0x80000000) { info[2] = 99; C(waitid(which, who, which == 0 ? 0 : info, 0x1000005) < 0 ? -1 : info[2]); }
  EACH(which, 1, 2) EACH(who, dead, lives, syscall(65)) { memset(info, 0, 128); C(waitid(which, who, info, 0x1000005)); put(info[3] == who); put(info[0]); }
  EACH(who, 999999, -999999, 0x80000001, -lives) C(syscall(7, who, words, 1));
  C(waitid(0, 0, 1, 0x1000005)); C(syscall(284, 0, 0, 0, 0x1000005, 1)); C(syscall(284, 0, 0, 0, 0x1000005, words)); C(waitid(0, 0, info, 1)); C(waitid(0, 0, info, 0x1000001)); C(syscall(7, dead, 1, 1)); C(syscall(7, dead, 0, 1)); done();
  start("stops"); C(kill(lives, 19)); UNTIL(2, lives);
  EACH(opt, 2, 6, 10, 8, 4, 0x1000002) { memset(info, 0, 128); C(waitid(1, lives, info, opt | 1)); put(info[0]); put(info[2]); put(info[5]); }
  C(kill(lives, 18)); UNTIL(8, lives); EACH(opt, 2, 4, 0x1000008, 8, 8) { memset(info, 0, 128); C(waitid(1, lives, info, opt | 1)); put(info[0]); put(info[2]); put(info[5]); }
  C(kill(lives, 19)); UNTIL(2, lives); EACH(opt, 1, 9, 3, 3) { words[0] = 9; put(syscall(7, lives, words, opt) == lives); put(words[0]); } C(kill(lives, 18)); UNTIL(8, lives); EACH(opt, 1, 3, 9, 9) { words[0] = 9; put(syscall(7, lives, words, opt) == lives); put(words[0]); }
  C(kill(lives, 9)); UNTIL(4, lives); words[0] = 9; put(syscall(7, -lives, words, 1) == lives); put(words[0]); C(syscall(7, -1, words, 1)); done();
  signal(10, SIG_IGN); start("kinds"); /* by the signal at the end */
  EACH(sig, 0, 10, 17) { int pid = syscall(120, sig, 0, 0, 0, 0); if (!pid) _exit(3); UNTIL(4, pid); C(waitpid(-1, words, 1) == pid); C(waitpid(-1, words, 0x80000001) == pid); C(waitpid(-1, words, 0x40000001) == pid); errno = 0; } done();
}
static void groups(void) {
  signal(10, 0);
  start("groups"); C(syscall(57, -1, 0)); C(syscall(57, 0, -1)); C(syscall(57, 999999, 0)); C(syscall(57, 0, 999999)); C(syscall(132, 999999)); C(syscall(147, 999999)); C(syscall(132, -1)); C(syscall(147, -1)); C(syscall(57, 1, 0)); C(syscall(57, syscall(64), 0));
  int a = BORN(), b = BORN(), c = BORN(syscall(66)), d = BORN(syscall(57, 0, 0));
  C(syscall(57, a, a)); put(syscall(132, a) == a); C(syscall(57, b, a)); put(syscall(132, b) == a); C(syscall(57, b, d)); put(syscall(132, b) == d); C(syscall(57, b, c)); C(syscall(57, c, c)); C(syscall(57, c, a)); C(syscall(57, a, b)); C(syscall(57, a, 0)); put(syscall(147, a) == syscall(147, 0)); put(syscall(147, c) == c); put(syscall(132, 0) == syscall(65));
  C(syscall(57, b, syscall(65))); C(kill(-d, 0)); C(kill(-b, 0)); C(kill(-999999, 0)); C(kill(b, 65)); C(kill(-999999, 65)); C(kill(999999, 65)); C(kill(-d, 65)); C(kill(b, -1)); C(kill(0, 65)); C(kill(0, 0));
  EACH(pid, a, b, c, d) kill(pid, 9); reap(); C(syscall(57, a, 0)); done();
  CHILD(start("session"); C(syscall(57, 0, 0)); put(syscall(66) > 0); int pid = fork(); if (!pid) { start("session"); put(syscall(66) > 0); C(syscall(57, 0, 0)); C(syscall(57, 0, getpid())); C(syscall(66)); put(syscall(65) == getpid()); put(syscall(147, 0) == getpid()); int in = fork(); if (!in) { start("in it"); C(syscall(57, 0, 0)); C(syscall(57, 0, syscall(64))); C(syscall(57, syscall(64), 0)); done(); _exit(0); } wait(0); done(); _exit(0); } wait(0); done()), reap();
  char byte; int e = CHILD(char *v[] = {"x", "y", 0}; dup2(ready[1], 50); syscall(11, "/proc/self/exe", v, v + 2)); read(ready[0], &byte, 1); start("exec'd"); C(syscall(57, e, 0)); done(); kill(e, 9); reap();
}
static void signals(void) {
  struct sigaction act = {SIG_IGN, 0xffffffff, 0, {{-1, -1}}}, old; start("signals");
  EACH(sig, -1, 0, 1, 9, 19, 32, 64, 65) { EACH(size, 4, 8, 16) C(syscall(174, sig, 0, &old, size)); C(syscall(174, sig, &act, 0, 8)); C(syscall(174, sig, 1, 0, 8)); C(syscall(174, sig, 0, 1, 8)); memset(&old, 9, sizeof old); C(syscall(174, sig, 0, &old, 8)); put((long)old.sa_handler); put(old.sa_mask.bits[0]); put(old.sa_mask.bits[1]); C(syscall(48, sig, 0)); C(syscall(67, sig, 0, &old)); C(syscall(67, sig, &act, 0)); C(syscall(67, sig, 0, 1)); if (sig != 9 && sig != 19) C(syscall(48, sig, 0)); }
  done(); start("masks"); sigset_t set = {{-1, -1}}, was, none = {{0, 0}};
  EACH(how, -1, 0, 1, 2, 3) { C(syscall(175, how, 0, &was, 8)); C(syscall(175, how, &none, 0, 8)); C(syscall(175, how, 1, 0, 8)); C(syscall(175, how, 0, 1, 8)); C(syscall(175, how, &none, 0, 4)); C(syscall(126, how, &none, 0)); C(syscall(126, how, 0, &was)); C(syscall(126, how, 1, 0)); }
  C(syscall(175, 2, &set, 0, 8)); C(syscall(175, 0, 0, &was, 8)); put(was.bits[0]); put(was.bits[1]); C(syscall(126, 1, &set, &was)); put(was.bits[0]); C(syscall(175, 0, 0, &was, 8)); put(was.bits[0]); put(was.bits[1]); C(syscall(69, 0x1234)); C(syscall(68)); C(syscall(175, 0, 0, &was, 8)); put(was.bits[0]); put(was.bits[1]);
  C(syscall(69, 0)); C(syscall(175, 0, 0, &was, 8)); put(was.bits[1]); C(syscall(175, 2, &none, 0, 8)); done();
  start("taken"); set.bits[0] = 1 << 9 | 1 << 11; set.bits[1] = 1u << 31; C(syscall(175, 2, &set, 0, 8)); struct timespec t = {0, 0}, bad = {0, 1000000000}, less = {-1, 0};
  C(syscall(177, &set, 0, &t, 8)); C(syscall(177, &set, 0, &bad, 8)); C(syscall(177, &set, 0, &less, 8)); C(syscall(177, &set, 0, &t, 4)); C(syscall(177, 1, 0, &t, 8)); C(syscall(177, &set, 0, 1, 8)); t.tv_nsec = 1000000; C(syscall(177, &set, 0, &t, 8));
  raise(12); raise(10); queue(getpid(), 64, 5); queue(getpid(), 64, 6); raise(64); raise(10); t.tv_nsec = 0; C(syscall(176, &was, 8)); put(was.bits[0]); put(was.bits[1]);
  for (int i = 0; i < 6; i++) { memset(info, 0, 128); C(syscall(177, &set, info, &t, 8)); put(info[0]); put(info[2]); put(info[5]); put(info[3] == getpid()); } raise(10); C(syscall(177, &set, 1, &t, 8)); C(syscall(177, &set, 0, &t, 8)); raise(10); none.bits[0] = 1; C(syscall(177, &none, 0, &t, 8)); C(syscall(177, &set, 0, &t, 8)); C(syscall(179, &set, 4)); C(syscall(179, 1, 8)); done();
  start("sent"); EACH(pid, -1, 0, 999999, getpid()) EACH(sig, -1, 0, 65) { memset(info, 0, 128); info[2] = -1; C(pid == 0 || pid == -1 ? 0 : kill(pid, sig)); C(syscall(238, pid, sig)); C(syscall(270, pid, pid, sig)); C(syscall(270, getpid(), pid, sig)); C(syscall(270, pid, getpid(), sig)); C(syscall(178, pid, sig, info)); C(syscall(335, pid, pid, sig, info)); C(syscall(335, getpid(), pid, sig, info)); C(syscall(335, getpid(), pid, sig, 1)); C(syscall(178, pid, sig, 1)); }
  int pid = BORN(); EACH(code, -1, -6, 0, 1, -60, 0x80) { info[2] = code; C(syscall(178, pid, 0, info)); C(syscall(335, pid, pid, 0, info)); } kill(pid, 9); reap(); done();
  start("alternate"); struct { void *sp; int flags; unsigned size; } st = {page, 0, 2048}, prev; EACH(size, 0, 1, 2047, 2048, 8192) EACH(flags, 0, 1, 2, 3, 4) { st.flags = flags; st.size = size; C(syscall(186, &st, 0)); C(syscall(186, 0, &prev)); put(prev.flags); put(prev.size); } C(syscall(186, 1, 0)); C(syscall(186, 0, 1)); done();
}
static void turns(void) {
  static int p[2]; start("nice"); EACH(who, 0, -1, 999999) EACH(which, -1, 0, 1, 2, 3) { if (which != 2 || who) C(syscall(96, which, who)); C(syscall(97, which, which == 2 && !who ? 999999 : who, 0)); }
  CHILD(start("nice"); EACH(by, 1, 0, 3, 100, 5) { C(syscall(34, by)); C(syscall(96, 0, 0)); } EACH(to_, 19, 20, 10, 18, 5) { C(syscall(97, 0, 0, to_)); C(syscall(96, 0, 0)); } done()), wait(0);
  CHILD(unsigned l[2] = {0, 0}; syscall(97, 0, 0, 10); syscall(75, 13, l); setuid(5); start("limit"); EACH(level, 9, 10, 19, 18) { C(syscall(97, 0, 0, level)); C(syscall(96, 0, 0)); } EACH(by, -1, -30, 2, -1) { C(syscall(34, by)); C(syscall(96, 0, 0)); } C(syscall(97, 0, 1, 5)); C(syscall(97, 0, syscall(64), 19)); done()), wait(0);
  done(); start("classes"); EACH(policy, -1, 0, 1, 2, 3, 4, 5, 8, 0x40000000, 0x40000001) { C(syscall(159, policy)); C(syscall(160, policy)); }
  EACH(pid, -1, 999999, 0) { C(syscall(157, pid)); C(syscall(155, pid, p)); C(syscall(155, pid, 0)); C(syscall(155, pid, 1)); C(syscall(161, pid, 1)); C(syscall(242, pid, 4, words) > 0); C(syscall(242, pid, 3, words)); C(syscall(242, pid, 0, words)); C(syscall(241, pid, 0, words)); words[0] = 0; C(syscall(241, pid, 4, words)); C(syscall(241, pid, 4, 1)); }
  done();
  CHILD(start("policy"); EACH(policy, -1, 0, 3, 5, 7, 4, 0x40000000, 0x40000003) EACH(prio, -1, 0, 1, 99, 100) { p[0] = prio; C(syscall(156, 0, policy, p)); C(syscall(157, 0)); C(syscall(154, 0, p)); } C(syscall(156, 0, 0, 0)); C(syscall(156, 0, 0, 1)); C(syscall(156, 999999, 0, p)); C(syscall(154, -1, p)); done();
    setuid(5); start("policy"); EACH(policy, 0, 3, 5, 0, 0x40000000, 0, 0x40000003) { p[0] = 0; C(syscall(156, 0, policy, p)); C(syscall(157, 0)); } p[0] = 1; C(syscall(156, 0, 1, p)); C(syscall(156, 0, 2, p)); p[0] = 0; C(syscall(156, 1, 0, p)); done()), reap();
  static struct { unsigned size, policy; u64 flags; int nice; unsigned priority; u64 times[3]; unsigned clamp[2]; char more[100]; } a; start("attr");
  CHILD(start("attr"); EACH(size, 0, 47, 48, 52, 56, 57, 100, 4096, 4097) { a.size = size; C(syscall(351, 0, &a, 0)); put(a.size); a.size = size; C(syscall(352, 0, &a, size, 0)); put(a.size); } a.more[20] = 1; a.size = 100; C(syscall(351, 0, &a, 0)); put(a.size); a.size = 56;
    EACH(flags, 0, 1, 2, 8, 16, 24, 0x80) EACH(policy, 0, 3, 4, 5, -1) { memset(&a, 0, sizeof a); a.size = 48; a.policy = policy; a.flags = flags; a.nice = 3; C(syscall(351, 0, &a, 0)); memset(&a, 0, sizeof a); C(syscall(352, 0, &a, 48, 0)); put(a.policy); put(a.flags); put(a.nice); put(a.priority); }
    EACH(level, -100, -1, 0, 7, 19, 100, 2) { memset(&a, 0, sizeof a); a.size = 48; a.nice = level; C(syscall(351, 0, &a, 0)); C(syscall(96, 0, 0)); if (level == 19) setuid(5); } C(syscall(351, -1, &a, 0)); C(syscall(351, 999999, &a, 0)); C(syscall(351, 0, 0, 0)); C(syscall(351, 0, &a, 1)); C(syscall(351, 0, 1, 0)); C(syscall(352, -1, &a, 48, 0)); C(syscall(352, 999999, &a, 48, 0)); C(syscall(352, 0, 0, 48, 0)); C(syscall(352, 0, &a, 48, 1)); C(syscall(352, 0, 1, 48, 0)); done()), wait(0);
  done(); start("io"); EACH(which, 0, 1, 4) EACH(who, 0, 999999) { C(syscall(290, which, who)); EACH(prio, 0, 1, 0x2000, 0x4000, 0x4007, 0x6000, 0x6007, 0x8000, -1) if (which != 2) C(syscall(289, which, who, prio)); } C(syscall(290, 1, 0)); done();
}
static void options(void) {
  CHILD(start("prctl"); EACH(option, 0, 1, 2, 3, 4, 7, 8, 13, 14, 15, 16, 21, 23, 25, 26, 27, 29, 36, 37, 39) EACH(arg, 0, 1, 2, 3, 64, 65, -1) if (!(option == 26 && arg == 2) && !(option == 29 && arg == -1) && !(option == 23 && arg > 3)) { errno = 0; long r = syscall(172, option, arg, 0, 0, 0); put(r); } done();
    start("prctl"); strcpy(page, "0123456789abcdefghij"); C(syscall(172, 15, page)); memset(page, 'x', 40); C(syscall(172, 16, page)); for (int i = 0; i < 17; i++) put(page[i]); mprotect(page + 4096, 4096, 0); memset(page + 4080, 'y', 16); C(syscall(172, 15, page + 4080)); C(syscall(172, 15, page + 4081)); C(syscall(172, 15, page + 4082)); page[4095] = 0; C(syscall(172, 15, page + 4090)); C(syscall(172, 16, page)); for (int i = 0; i < 8; i++) put(page[i]); C(syscall(172, 16, page + 4081));
    C(syscall(172, 30)); EACH(ns, 0, 1, 77777, 0x7fffffff) { C(syscall(172, 29, ns)); C(syscall(172, 30)); } EACH(sig, 0, 5, 64) { C(syscall(172, 1, sig)); C(syscall(172, 2, words)); put(words[0]); } C(syscall(172, 2, 1)); C(syscall(172, 25, words)); put(words[0]); C(syscall(172, 36, 5)); C(syscall(172, 37, words)); put(words[0]); C(syscall(172, 37, 1)); C(syscall(172, 36, 0)); C(syscall(172, 37, words)); put(words[0]);
    C(syscall(172, 38, 1, 1, 0, 0)); C(syscall(172, 38, 2, 0, 0, 0)); C(syscall(172, 39, 1, 0, 0, 0)); C(syscall(172, 39, 0, 0, 0, 0)); C(syscall(172, 38, 1, 0, 0, 0)); C(syscall(172, 39, 0, 0, 0, 0)); C(syscall(172, 38, 0, 0, 0, 0)); done()), wait(0);
  CHILD(start("personality"); EACH(p, -1, 0, 0x0040000, 0x8000000, 0x4000000, 8, 0xffffffff, 0x0400000, -1, 0) C(syscall(136, p)); done()), wait(0);
  start("names"); C(syscall(74, page, -1)); C(syscall(74, page, 65)); C(syscall(121, page, -1)); C(syscall(121, page, 65)); C(syscall(122, 1)); CHILD(setuid(5); EACH(n, -1, 0, 1, 65) { C(syscall(74, page, n)); C(syscall(121, page, n)); } C(syscall(124, 0)); C(syscall(61, "/")); C(syscall(61, "/nothing")); C(syscall(21, "/tmp", "/tmp", 0, 4096, 0)); C(syscall(52, "/tmp", 0)); C(syscall(310, -1)); C(syscall(346, -1, 0)); done()), wait(0);
  done(); start("usage"); EACH(who, -3, -2, -1, 0, 1, 2) { C(syscall(77, who, words)); C(syscall(77, who, 1)); } C(syscall(43, 1)); C(syscall(116, 1)); C(syscall(13, 1)); C(syscall(78, 1, 0)); C(syscall(78, 0, 1)); C(syscall(78, 0, 0)); C(syscall(318, words, words, 1)); put(words[0] >= 0); C(syscall(318, 1, 0, 0)); C(syscall(318, 0, 1, 0)); C(syscall(60, 0x1ff)); C(syscall(60, 022)); C(syscall(60, 01777)); C(syscall(60, 022)); done();
  start("kcmp"); int pid = BORN(); EACH(type, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8) { C(syscall(349, getpid(), getpid(), type, 0, 0)); C(syscall(349, getpid(), getpid(), type, 99, 99)); put(syscall(349, getpid(), pid, type, 1, 1) > 0); C(syscall(349, getpid(), 999999, type, 0, 0)); C(syscall(349, 999999, pid, type, 0, 0)); } C(syscall(349, getpid(), pid, 0, 1, 1)); C(syscall(349, getpid(), pid, 0, 0, 98)); C(syscall(349, getpid(), pid, 0, 98, 0)); done();
  start("pidfd"); EACH(flags, 0, 1, 0x800, 0x80000, 4) { C(syscall(434, 0, flags)); C(syscall(434, -1, flags)); C(syscall(434, 999999, flags)); int f = syscall(434, pid, flags); put(f >= 0 || errno); if (f >= 0) close(f); }
  int f = syscall(434, pid, 0); EACH(sig, -1, 0, 65) { C(syscall(424, f, sig, 0, 0)); C(syscall(424, f, sig, 0, 8)); C(syscall(424, 1, sig, 0, 0)); C(syscall(424, 99, sig, 0, 0)); C(syscall(424, f, sig, 1, 0)); memset(info, 0, 128); info[0] = sig; info[2] = -1; C(syscall(424, f, sig, info, 0)); info[0] = sig + 1; C(syscall(424, f, sig, info, 0)); info[0] = sig; info[2] = 0; C(syscall(424, f, sig, info, 0)); info[2] = -6; C(syscall(424, f, sig, info, 0)); }
  C(syscall(438, f, 99, 0)); C(syscall(438, f, 1, 1)); C(syscall(438, 1, 1, 0)); C(syscall(438, 99, 1, 0)); int g = syscall(438, f, 1, 0); put(syscall(349, getpid(), getpid(), 0, g, 1)); C(fcntl(g, F_GETFD)); C(fcntl(f, F_GETFD)); C(waitid(3, f, info, 5)); C(waitid(3, 1, info, 5)); C(waitid(3, 99, info, 5)); C(waitid(3, -1, info, 5)); C(syscall(424, f, 9, 0, 0)); C(waitid(3, f, info, 0x1000004)); put(info[3] == pid); C(waitid(3, f, info, 4)); C(waitid(3, f, info, 4)); C(syscall(424, f, 0, 0, 0)); C(syscall(438, f, 1, 0)); done();
  start("another's memory"); struct iovec l[3] = {{page, 16}, {page + 32, 16}, {page + 64, 16}}, r[3] = {{words, 8}, {words + 8, 24}, {(void *)16, 8}}; for (int i = 0; i < 64; i++) words[i] = i;
  EACH(flags, 0, 1) EACH(nl, 0, 1, 2, 1025) EACH(nr, 0, 1, 2, 3, 1025) { memset(page, 0, 80); C(syscall(347, getpid(), l, nl, r, nr, flags)); put(page[0] + page[4] * 2 + page[8] * 3 + page[36] * 5); } EACH(nl, 1, 2, 3) EACH(nr, 1, 2, 3) { r[1].iov_base = nr == 2 ? (void *)16 : words + 8; C(syscall(348, getpid(), l, nl, r, nr, 0)); } C(syscall(347, 999999, l, 1, r, 1, 0)); C(syscall(347, -1, l, 1, r, 1, 0)); C(syscall(347, getpid(), 1, 1, r, 1, 0)); C(syscall(347, getpid(), l, 1, 1, 1, 0)); l[0].iov_len = -1; C(syscall(347, getpid(), l, 1, r, 1, 0)); l[0].iov_len = 16; r[0].iov_len = -1; C(syscall(347, getpid(), l, 1, r, 1, 0)); done();
}
static void words_waited_for(void) {
  static unsigned w[4]; struct timespec soon = {0, 1}, bad = {0, 1000000000}, less = {0, -1};
  for (int op = 0; op < 15; op++) { start("futex"); number(&to, op, 10); *to++ = ' ';
    if (op == 6 || op == 7 || op == 8 || op == 13 || op == 2) { C(syscall(240, (char *)w + 1, op, 0, 0, 0, 0)); done(); continue; }
    EACH(flags, 0, 128, 256, 384, 512) { w[0] = 5; C(syscall(240, w, op | flags, 4, 0, w + 1, 4)); C(syscall(240, (char *)w + 1, op | flags, 4, 0, w + 1, 4)); C(syscall(240, 0, op | flags, 4, 0, w + 1, 4)); C(syscall(240, w, op | flags, 4, 0, w + 1, 0)); if (op != 3 && op != 4 && op != 5 && op != 12 && op != 1 && op != 10) { C(syscall(240, w, op | flags, 4, &bad, w + 1, 4)); C(syscall(240, w, op | flags, 4, &less, w + 1, 4)); C(syscall(240, w, op | flags, 4, 1, w + 1, 4)); if (op != 11) C(syscall(240, w, op | flags, 5, &soon, w + 1, 4)); } else { C(syscall(240, w, op | flags, 4, 1, (char *)w + 1, 5)); C(syscall(240, w, op | flags, -1, 0, w + 1, 5)); C(syscall(240, w, op | flags, 0, -1, w + 1, 5)); C(syscall(240, w, op | flags, 1, 1, 0, 5)); } } done(); }
  for (unsigned op = 0; op < 16; op++) { start("wake and"); EACH(cmp, 0, 1, 2, 3, 4, 5, 6, 7) EACH(arg, 0, 3, 0xfff, 0x800) { w[1] = 0xf5; C(syscall(240, w, 5, 1, 1, w + 1, op << 28 | cmp << 24 | (arg & 0xfff) << 12 | 0xf5)); put(w[1]); } done(); }
  start("lists"); C(syscall(311, w, 11)); C(syscall(311, w, 13)); C(syscall(311, w, 12)); C(syscall(312, 0, words, words + 1)); put(words[0] == (long)w); put(words[1]); C(syscall(312, 999999, words, words + 1)); C(syscall(312, 0, 1, words)); C(syscall(312, 0, words, 1)); C(syscall(311, 0, 12)); done();
}
static void clocks(void) {
  static struct timespec t[2]; start("clocks");
  EACH(clock, -7, -6, -1, 0, 1, 2, 3, 4, 5, 6, 7, 10, 12, 13, 16) { C(syscall(265, clock, t)); C(syscall(265, clock, 1)); C(syscall(266, clock, t)); put(clock == 10 ? 0 : t[0].tv_nsec == 1 ? 1 : 2); C(syscall(266, clock, 0)); C(syscall(266, clock, 1)); if (clock != 10) { t[0].tv_sec = 0; t[0].tv_nsec = 1000000000; C(syscall(267, clock, 0, t, 0)); t[0].tv_nsec = -1; C(syscall(267, clock, 1, t, 0)); t[0].tv_sec = -1; t[0].tv_nsec = 0; C(syscall(267, clock, 1, t, 0)); C(syscall(267, clock, 0, 1, 0)); if (clock != 3 && clock != -6 && clock != -7) { t[0].tv_sec = 0; C(syscall(267, clock, 1, t, 1)); C(syscall(267, clock, 0, t, t + 1)); } } } done();
  start("sleeps"); EACH(sec, 0, -1, 0x80000000) EACH(ns, 0, 1, 999999999, 1000000000, -1) if (!(sec == 0 && ns == 999999999)) { t[0].tv_sec = sec; t[0].tv_nsec = ns; C(nanosleep(t, 0)); C(nanosleep(t, 1)); } C(nanosleep(1, 0)); C(nanosleep(0, 0)); done();
  start("timers"); static int ev[16], id, its[4]; EACH(clock, -1, 0, 1, 2, 3, 4, 7, 8, 12) EACH(notify, 0, 1, 2, 3, 4, 5) { memset(ev, 0, 64); ev[1] = 10; ev[2] = notify; ev[3] = notify == 4 ? getpid() : 0; C(syscall(259, clock, ev, &id)); if (syscall(261, id, its) >= 0) syscall(263, id); }
  EACH(sig, -1, 0, 1, 64, 65) { memset(ev, 0, 64); ev[1] = sig; C(syscall(259, 0, ev, &id) < 0 ? -1 : (syscall(263, id), 0)); } ev[1] = 10; ev[2] = 4; ev[3] = 999999; C(syscall(259, 0, ev, &id)); C(syscall(259, 0, 1, &id)); C(syscall(259, 0, 0, 1)); C(syscall(259, 0, 0, &id)); EACH(n, -1, 77, id) { C(syscall(260, n, 0, 0, 0)); C(syscall(260, n, 0, 1, 0)); memset(its, 0, 16); C(syscall(260, n, 0, its, 0)); C(syscall(260, n, 2, its, 0)); its[3] = 1000000000; C(syscall(260, n, 0, its, 0)); its[3] = -1; C(syscall(260, n, 0, its, 0)); its[3] = 0; its[1] = -1; C(syscall(260, n, 0, its, 0)); its[1] = 0; its[2] = -1; C(syscall(260, n, 0, its, 0)); its[2] = 0; C(syscall(260, n, 0, its, 1)); C(syscall(261, n, 1)); C(syscall(261, n, its)); C(syscall(262, n)); }
  its[0] = 5; its[1] = 6; its[2] = 1000; its[3] = 7; C(syscall(260, id, 0, its, 0)); memset(its, 0, 16); C(syscall(261, id, its)); put(its[0]); put(its[1] / 1000 % 1000); put(its[2] >= 999); memset(its, 0, 16); its[0] = 9; int o[4]; C(syscall(260, id, 0, its, o)); put(o[0]); put(o[2] >= 999); C(syscall(261, id, its)); for (int i = 0; i < 4; i++) put(its[i]); C(syscall(263, id)); C(syscall(263, id)); done();
}
int main(int argc) {
  if (argc > 1) { write(50, "x", 1); for (;;) pause(); }
  pipe(ready);
  waits(); groups(); signals(); turns(); options(); words_waited_for(); clocks(); return 0;
}
