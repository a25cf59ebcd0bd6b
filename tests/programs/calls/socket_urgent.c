/* MSG_OOB on AF_UNIX streams: a byte of the stream that is marked. Many short lives of a pair of sockets, each of steps
 * that a generator chooses, and after every step what can be asked without reading: but for SIOCINQ, where Linux 6.17 and
 * later still count a marked byte that was jumped over. */
#include "calls.h"
#include "rows.h"
enum { OOB = 1, PEEK = 2, DONTWAIT = 0x40, WAITALL = 0x100, NOSIGNAL = 0x4000, INLINE = 10 };
struct msghdr { void *name; int namelen; struct iovec *iov; int iovlen; void *control; int controllen, flags; };
static int p[2]; static unsigned seed = 7, letter;
static int next(int n) { seed = seed * 1103515245 + 12345; return (seed >> 16) % n; }
static void put_in(int n, int flags) { char b[4]; for (int i = 0; i < n; i++) b[i] = 'a' + letter++ % 26; C(syscall(369, p[0], b, n, flags | DONTWAIT | NOSIGNAL, 0, 0)); }
static void take(int n, int flags) {
  static char b[32]; memset(b, 0, 32); struct iovec v = {b, n}; struct msghdr m = {0, 0, &v, 1}; C(syscall(372, p[1], &m, flags | DONTWAIT)); word(b[0] ? b : "-"); put(m.flags);
}
static void ask(void) {
  int mark = -1; struct pollfd f = {p[1], 0x2043}; C(syscall(54, p[1], 0x8905, &mark)); put(mark); C(poll(&f, 1, 0)); put(f.revents);
}
static void step(void) {
  int on = next(2);
  switch (next(11)) {
    case 0: case 1: word("send"); put_in(1 + next(3), 0); break;
    case 2: case 3: word("urgent"); put_in(1 + next(2), OOB); break;
    case 4: word("one"); take(1, 0); break;
    case 5: word("more"); take(2 + next(9), next(4) ? 0 : WAITALL); break;
    case 6: word("peek"); take(1 + next(9), PEEK); break;
    case 7: case 8: word("mark"); take(1 + next(2), OOB); break;
    case 9: word("peek-mark"); take(1, OOB | PEEK); break;
    case 10: if (!next(3)) { word("inline"); C(syscall(366, p[1], 1, INLINE, &on, 4)); }
  }
}

int main(void) {
  for (int life = 0; life < 300; life++) {
    syscall(360, 1, 1 | O_NONBLOCK, 0, p); start("life"); put(life);
    for (int i = 0; i < 14; i++) { step(); ask(); }
    close(p[1]); char b; word("end"); C(syscall(371, p[0], &b, 1, DONTWAIT, 0, 0)); close(p[0]); done();
  }
  EACH(type, 1, 2, 5) {
    char b[2] = "x"; int mark = 9; syscall(360, 1, type, 0, p); start("kind"); put(type);
    C(syscall(369, p[0], b, 0, OOB, 0, 0)); C(syscall(369, p[0], b, 1, OOB, 0, 0)); C(syscall(54, p[1], 0x8905, &mark)); put(mark); C(syscall(371, p[1], b, 0, OOB | DONTWAIT, 0, 0)); C(syscall(371, p[1], b, 1, OOB | DONTWAIT, 0, 0));
    C(syscall(369, p[0], b, 1, OOB, 0, 0)); C(syscall(371, p[1], (char *)16, 1, OOB | DONTWAIT, 0, 0)); C(syscall(371, p[1], b, 1, OOB | DONTWAIT, 0, 0)); close(p[1]); C(syscall(369, p[0], b, 2, OOB | NOSIGNAL, 0, 0)); close(p[0]); done();
  }
  int f = syscall(359, 1, 1, 0); start("alone"); C(syscall(369, f, "x", 1, OOB, 0, 0)); C(syscall(371, f, &seed, 1, OOB, 0, 0)); done();
  start("files"); syscall(360, 1, 1, 0, p); struct { int len, level, type, fd[2]; } c = {20, 1, 1, {p[0], f}}; struct iovec v = {"ab", 2}; struct msghdr m = {0, 0, &v, 1, &c, 20};
  EACH(n, 1, 2) { v.iov_len = n; C(syscall(370, p[0], &m, OOB)); } static char room[64]; struct iovec w = {room, 8}; 
  EACH(flags, OOB, 0, 0) { struct msghdr r = {0, 0, &w, 1, room + 16, 40}; C(syscall(372, p[1], &r, flags | DONTWAIT)); put(r.controllen); put(r.flags); } close(f); close(p[0]); close(p[1]); done();
  return 0;
}
