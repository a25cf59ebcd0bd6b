/* Each call on a descriptor, asked of each kind of file. */
#include "calls.h"
#include "rows.h"
static char buf[4096] __attribute__((aligned(4096)));
static int words[64], other, file;
static struct iovec v[2] = {{buf, 1}, {buf + 8, 1}}, wrong[1] = {{(void *)1, 1}};
static const char *kinds[] = {"file", "read-only", "directory", "pipe's read end", "pipe's write end", "stream", "datagram", "listening", "unconnected",
  "eventfd", "epoll", "timerfd", "signalfd", "inotify", "userfaultfd", "memfd", "null", "zero", "full", "path", "fifo", "proc file",
  "ruleset", "queue", "terminal's master", "terminal", "link's path", "closed", 0};
/* Parts whose answers are those of a file system, or in which two errors could come first. */
static const char left_out[28] = {[2] = 2, [7] = 1, [8] = 1, [5] = 16, [6] = 16, [21] = 1, [23] = 3, [24] = 17, [25] = 16};
/* socketcall without the numbers of newer kernels */
#define sock(n, ...) syscall(102, n, ((long[]){__VA_ARGS__, 0, 0, 0, 0, 0}))

static int make(int kind) {
  int p[2]; u64 set = 1 << 9; static short un[55] = {1}; long attr[3] = {1, 0, 0}; int zero = 0; static char pts[20] = "/dev/pts/", *to_;
  switch (kind) {
  case 0: return open("f", 2);
  case 1: return open("f", 0);
  case 2: return open(".", 0);
  case 3: pipe(p); return p[0];
  case 4: pipe(p); return p[1];
  case 5: sock(8, 1, 1, 0, p); return p[0];
  case 6: sock(8, 1, 2, 0, p); return p[0];
  case 7: p[0] = sock(1, 1, 1, 0); sock(2, p[0], un, 2); sock(4, p[0], 1); return p[0];
  case 8: return sock(1, 1, 1, 0);
  case 9: return eventfd(3, 0);
  case 10: return epoll_create(1);
  case 11: return syscall(322, 1, 0);
  case 12: return syscall(327, -1, &set, 8, 0);
  case 13: return watcher(0);
  case 14: return syscall(374, 1);
  case 15: return syscall(356, "m", 2);
  case 16: return open("/dev/null", 2);
  case 17: return open("/dev/zero", 2);
  case 18: return open("/dev/full", 2);
  case 19: return open("f", 010000000);
  case 20: return open("fifo", 2);
  case 21: return open("/proc/self/comm", 2);
  case 22: return syscall(444, attr, 8, 0);
  case 23: p[0] = syscall(277, own("every"), 0302, 0600, 0); syscall(278, own("every")); return p[0];
  case 24: return open("/dev/ptmx", 02 | 0400);
  case 25: p[0] = open("/dev/ptmx", 02 | 0400); syscall(54, p[0], 0x40045431, &zero); syscall(54, p[0], 0x80045430, &zero); to_ = pts + 9; number(&to_, zero, 10); return open(pts, 2 | 0400);
  case 26: return open("l", 010400000);
  }
  return 60;
}
static void kind(int n, void (*calls)(int)) { CHILD(start(kinds[n]); int f = make(n); fcntl(f, F_SETFL, O_NONBLOCK); calls(f); done()); wait(0); }

static void transfers(int f) {
  C(read(f, buf, 1)); C(read(f, buf, 0)); C(write(f, "x", 1)); C(write(f, "x", 0)); C(read(f, 1, 8)); C(write(f, 1, 8)); C(syscall(145, f, v, 2)); C(syscall(146, f, v, 2));
  C(syscall(145, f, v, 0)); C(syscall(146, f, v, 0)); C(syscall(145, f, wrong, 1)); C(syscall(146, f, wrong, 1)); C(syscall(145, f, v, -1)); C(syscall(146, f, v, 1025)); C(syscall(145, f, 1, 1));
  word("at"); EACH(at, 0, 1, -1) { C(syscall(180, f, buf, 1, at, at >> 31)); C(syscall(181, f, "y", 1, at, at >> 31)); C(syscall(333, f, v, 2, at, at >> 31)); C(syscall(334, f, v, 2, at, at >> 31)); C(syscall(378, f, v, 1, at, at >> 31, 0)); C(syscall(379, f, v, 1, at, at >> 31, 0)); }
}
static void positions(int f) {
  for (int whence = -1; whence < 3; whence++) EACH(at, 0, 1, -1, 100) C(lseek(f, at, whence));
  word("llseek"); EACH(whence, 0, 1, 2, 5) C(syscall(140, f, 0, 0, words, whence)); C(syscall(140, f, 0, 0, 1, 0)); C(syscall(140, f, 1, 0, words, 0)); C(syscall(140, f, -1, 0, words, 0));
  word("sizes"); EACH(size, 0, 5, -1) { C(syscall(93, f, size)); C(syscall(194, f, size, size >> 31)); } word("advice"); EACH(advice, 0, 3, 4, 5, 6, -1) C(syscall(272, f, 0, 0, 0, 0, advice));
  EACH(count, 0, 4096) { C(syscall(225, f, 0, 0, count)); } word("sync"); C(syscall(118, f)); C(syscall(148, f)); C(syscall(344, f)); EACH(flags, 0, 7, 8) C(syscall(314, f, 0, 0, 0, 0, flags)); C(syscall(314, f, -1, -1, 0, 0, 0));
  word("space"); EACH(mode, 1, 2, 3) { C(syscall(324, f, mode, 0, 0, 4096, 0)); } C(syscall(324, f, 1, -1, -1, 1, 0)); C(syscall(324, f, 1, 0, 0, 0, 0)); C(syscall(324, f, 1, 0, 0, -1, -1));
}
static void attributes(int f) {
  C(fcntl(f, F_GETFL)); C(fcntl(f, F_GETFD)); EACH(flags, 02000, 020000, 0) { C(fcntl(f, F_SETFL, flags)); C(fcntl(f, F_GETFL)); }
  word("stat"); if (C(syscall(197, f, words)) == 0) { put(words[4] & 0170000); } C(syscall(133, f)); C(syscall(320, f, "", 0, 0));
  word("names"); C(syscall(295, f, "none", 0)); C(syscall(296, f, "f", 0)); C(syscall(301, f, "none", 0)); C(syscall(307, f, "none", 0)); C(syscall(305, f, "none", buf, 9)); C(syscall(305, f, "", buf, 9)); C(syscall(300, f, "none", buf, 0)); C(syscall(303, f, "none", f, "none2", 0));
  C(syscall(303, f, "", -100, "/nowhere/x", 0x1000)); C(syscall(306, f, 4, buf, 0)); C(syscall(437, f, "none", words, 24)); C(syscall(439, f, "", 4, 0x1000)); C(syscall(439, f, "", 1, 0x1000)); C(syscall(358, f, "none", 0, 0, 0)); C(syscall(358, f, "", 0, 0, 0));
  word("locks"); EACH(op, 1, 8, 2, 5, 6, 8, 0, 3) C(syscall(143, f, op)); struct { short type, whence; int start, length, pid; } lock = {0};
  EACH(cmd, 5, 6, 7) EACH(type, 0, 1, 2, 3) { if (cmd == 7 && type != 2) continue; lock.type = type; lock.whence = 0; lock.start = lock.length = 0; C(syscall(55, f, cmd, &lock)); put(lock.type); } C(syscall(55, f, 6, 1));
  word("fcntl"); EACH(cmd, 11, 16, 1025, 1032, 1034) C(fcntl(f, cmd, 0)); C(fcntl(f, 1026, 2)); C(fcntl(f, 1026, 0)); C(fcntl(f, 1033, 1)); C(fcntl(f, 1031, 4096)); C(fcntl(f, 8, getpid())); C(fcntl(f, 10, 10)); C(fcntl(f, 999, 0));
}
static void controls(int f) {
  int ours = syscall(256, f, buf, 1, 0); /* newer kernels have controls of epoll's */
  if (ours) EACH(request, 0x5421, 0x5450, 0x5451, 0x541b, 0x5401, 0x5413, 0x540f, 0x5411, 0x80045430, 0x80045431, 0x12345678, 0xaa3f, 0xb701) { words[0] = 0; C(syscall(54, f, request, words)); }
  if (ours) C(syscall(54, f, 0x541b, 1)); C(syscall(54, f, 0x5421, 1)); C(fcntl(f, F_GETFD)); fcntl(f, F_SETFL, O_NONBLOCK); word("poll"); EACH(events, 0, 1, 4, 0x3ff) { struct pollfd p = {f, events, 0}; C(poll(&p, 1, 0)); put(p.revents); }
  word("async"); EACH(on, 1, 1, 0, 0, 7, 0) { words[0] = on; C(syscall(54, f, 0x5452, words)); C(fcntl(f, F_GETFL)); } C(syscall(54, f, 0x5452, 1)); word("select"); fd_set s; FD_ZERO(&s); FD_SET(f, &s); struct timeval t = {0, 0}; C(select(f + 1, &s, 0, 0, &t)); FD_SET(f, &s); C(select(f + 1, 0, &s, 0, &t)); FD_SET(f, &s); C(select(f + 1, 0, 0, &s, &t));
  word("epoll"); struct epoll_event e = {0x1f, 1}; EACH(op, 1, 1, 3, 2, 2, 4) C(syscall(255, other, op, f, &e)); EACH(op, 1, 3, 2) C(syscall(255, f, op, other, &e)); C(syscall(256, f, buf, 1, 0)); C(syscall(255, f, 1, f, &e));
  word("mmap"); EACH(how, 1, 2, 3) EACH(prot, 0, 1, 2, 3) { void *m = mmap(0, 4096, prot, how, f, 0); put(m == MAP_FAILED ? -errno : 0); if (m != MAP_FAILED) munmap(m, 4096); } errno = 0;
}
static void families(int f) {
  static short un[55] = {1}; int n = 4, p[2]; struct { void *name; int namelen; struct iovec *v; int count; void *control; int controllen, flags; } m = {0, 0, v, 1, 0, 0, 0};
  word("sockets"); C(sock(6, f, buf, &n) < 0 ? -1 : 0); C(sock(7, f, buf, &n) < 0 ? -1 : 0); n = 4; EACH(option, 3, 4, 7, 17, 30, 99) { n = 4; C(sock(15, f, 1, option, words, &n)); } n = 1; C(sock(14, f, 1, 16, &n, 4)); C(sock(14, f, 1, 99, &n, 4)); C(sock(14, f, 6, 1, &n, 4)); C(sock(9, f, "x", 1, 0x4040)); C(sock(10, f, buf, 1, 0x40)); C(sock(11, f, "x", 1, 0x4040, un, 1)); C(sock(12, f, buf, 1, 0x40, 0, 0)); C(sock(16, f, &m, 0x4040)); C(sock(17, f, &m, 0x40)); C(sock(5, f, 0, 0) < 0 ? -1 : 0); C(sock(3, f, un, 2)); C(sock(4, f, 1)); C(sock(2, f, un, 2)); EACH(how, 3, 0, 1, 2) C(sock(13, f, how)); C(sock(99, f));
  word("timers"); C(syscall(325, f, 0, words, 0)); C(syscall(326, f, words)); C(syscall(325, f, 1, words, words)); u64 set = 1 << 9; word("signals"); C(syscall(327, f, &set, 8, 0) < 0 ? -1 : 0); C(syscall(327, f, &set, 4, 0)); word("watches"); C(syscall(292, f, ".", 2)); C(syscall(293, f, 1)); C(syscall(293, f, 1)); C(syscall(292, f, ".", 0));
  word("processes"); C(syscall(424, f, 0, 0, 0)); C(syscall(424, f, 0, 0, 1)); C(syscall(438, f, 99, 0)); C(syscall(438, f, 0, 1)); C(syscall(440, f, v, 1, 20, 0)); C(syscall(284, 3, f, buf, 5, 0));
  word("queues"); long attr[8] = {O_NONBLOCK}; C(syscall(280, f, buf, 4096, 0, 0)); C(syscall(279, f, "x", 1, 0, 0)); C(syscall(279, f, "x", 1, 40000, 0)); C(syscall(280, f, buf, 1, 0, 0)); C(syscall(281, f, 0)); C(syscall(282, f, 0, attr)); C(syscall(282, f, attr, 0));
  word("rules"); long rule[4] = {1, 0, f}; C(syscall(445, f, 1, rule, 0)); C(syscall(445, f, 3, rule, 0)); C(syscall(445, f, 1, rule, 1)); int r = make(22); C(syscall(445, r, 1, rule, 0)); rule[2] = r; C(syscall(445, r, 1, rule, 0)); C(syscall(446, f, 8)); close(r);
  word("parts"); EACH(other_is, 0, 1) { int to_ = make(other_is ? 4 : 0); C(syscall(313, f, 0, to_, 0, 1, 2)); C(syscall(187, to_, f, 0, 1)); C(syscall(187, f, to_, 0, 1)); close(to_); } pipe(p); write(p[1], "ab", 2); C(syscall(313, p[0], 0, f, 0, 1, 2)); C(syscall(315, f, p[1], 1, 2)); C(syscall(315, p[0], f, 1, 2)); C(syscall(316, f, v, 1, 2)); C(syscall(313, f, 0, f, 0, 1, 2));
  word("rest"); C(syscall(431, f, 0, 0, 0, 0)); C(syscall(432, f, 0, 0)); C(syscall(346, f, 0x04000000)); C(syscall(346, f, 0x10000000)); C(syscall(346, f, 1)); C(syscall(353, f, "none", f, "none2", 0)); C(syscall(41, f) < 0 ? -1 : 0); C(close(f)); C(close(f));
}
int main() {
  syscall(39, own("/tmp/every-"), 0777); syscall(12, own("/tmp/every-")); syscall(14, "fifo", 010644, 0); syscall(83, "f", "l"); file = open("f", O_RDWR | O_CREAT, 0644); write(file, "0123456789", 10);
  other = epoll_create(1); signal(SIGPIPE, SIG_IGN); signal(29, SIG_IGN); setsid();
  void (*const parts[])(int) = {transfers, positions, attributes, controls, families};
  for (int part = 0; part < 5; part++) for (int n = 0; kinds[n]; n++) if (!(left_out[n] >> part & 1)) kind(n, parts[part]);
  unlink("f"); unlink("l"); unlink("fifo"); syscall(12, "/"); syscall(40, own("/tmp/every-")); return 0;
}
