/* AF_UNIX: lengths of names, full queues and buffers, both ends' shutdown, pieces, peeks, lingering, errors that wait */
#include "calls.h"
#define socket(t) syscall(359, 1, t, 0)
#define pair(t) syscall(360, 1, t, 0, v)
#define bind(s, a, n) syscall(361, s, a, n)
#define connect(s, a, n) syscall(362, s, a, n)
#define listen(s, n) syscall(363, s, n)
#define accept(s, a, n, f) syscall(364, s, a, n, f)
#define getsockopt(s, o, v, n) syscall(365, s, 1, o, v, n)
#define setsockopt(s, o, v, n) syscall(366, s, 1, o, v, n)
#define sendto(s, b, n, f, a, l) syscall(369, s, b, n, f, a, l)
#define sendmsg(s, m, f) syscall(370, s, m, f)
#define recvfrom(s, b, n, f, a, l) syscall(371, s, b, n, f, a, l)
#define recvmsg(s, m, f) syscall(372, s, m, f)
#define shutdown(s, h) syscall(373, s, h)
enum { STREAM = 1, DGRAM, SEQ = 5, PEEK = 2, TRUNC = 0x20, DONTWAIT = 0x40, WAITALL = 0x100, NOSIGNAL = 0x4000 };
static struct { unsigned short family; char path[300]; } a, b; static unsigned n; static int v[2], w[2]; static char buffer[300000];
struct msghdr { void *name; unsigned namelen; struct iovec *iov; unsigned iovlen; void *control; unsigned controllen, flags; } m;
#define P(s) { struct pollfd p_ = {s, 0x2047}; S(poll(&p_, 1, 0)); printf("  %x\n", p_.revents & 0xffff); }
#define R(s, size, flags) { memset(buffer, 0, 100); S(recvfrom(s, buffer, size, flags, 0, 0)); printf("  %.40s\n", buffer); }
static const int types[] = {STREAM, DGRAM, SEQ};
static void names(void) {
  for (int i = 0; i < 3; i++) for (int length = 0; length < 132; length += length < 6 || length > 105 && length < 114 || length > 125 ? 1 : 40) {
    int s = socket(types[i]); a.family = 1; memset(a.path, 'n', 300); a.path[0] = 0; errno = 0; int r = bind(s, &a, length); int e = errno; n = 300; memset(&b, 'z', sizeof b); syscall(367, s, &b, &n);
    printf("%d bind %d: %d %d; %u %d\n", types[i], length, r, r ? e : 0, n, n < 300 ? b.path[n > 2 ? n - 2 : 0] : 0);
    int t = socket(types[i]); if (i != 1) listen(s, 0); errno = 0; r = connect(t, &a, length); printf("  connect %d %d\n", r, r ? errno : 0); n = 3; memset(&b, 'z', sizeof b); errno = 0; r = syscall(368, t, &b, &n); printf("  peer %d %d: %u %d %d\n", r, r ? errno : 0, n, b.path[0], b.path[1]);
    a.family = 0; errno = 0; r = connect(t, &a, length); printf("  to none %d %d\n", r, r ? errno : 0); errno = 0; r = syscall(368, t, &b, &n); printf("  peer %d %d\n", r, r ? errno : 0); a.family = 2; errno = 0; r = connect(t, &a, length); printf("  to other %d %d\n", r, r ? errno : 0); a.family = 1; errno = 0; r = sendto(t, "x", 1, NOSIGNAL, &a, length); printf("  sent %d %d\n", r, r < 0 ? errno : 0); close(s); close(t);
  }
  int s = socket(DGRAM), t = socket(DGRAM); S(bind(s, &a, 2)); n = 300; syscall(367, s, &a, &n); printf("%u\n", n); S(bind(t, &a, n)); S(bind(t, &a, n - 1)); S(bind(t, &a, n)); S(bind(s, &a, 2)); close(s); close(t);
  strcpy(a.path, "/tmp/tk_net"); unlink(a.path); s = socket(DGRAM); for (int length = 8; length < 14; length++) { errno = 0; int r = bind(s, &a, length); printf("%d %d ", r, r ? errno : 0); n = 300; syscall(367, s, &b, &n); printf("%u %s\n", n, b.path); } b = a; b.path[6] = 0; unlink(b.path); for (int l = 5; l < 12; l++) { b = a; b.path[l] = 0; unlink(b.path); } close(s);
  n = -1; S(syscall(367, v[0], &b, &n)); s = socket(STREAM); S(syscall(367, s, &b, &n)); n = 1; S(syscall(367, s, &b, &n)); printf("%u\n", n); S(syscall(367, s, 8, &n)); S(syscall(367, s, &b, 8)); n = 0; S(syscall(367, s, 8, &n)); S(bind(s, &a, -1)); S(connect(s, &a, -1)); close(s);
}
static void queues(void) {
  for (int i = 0; i < 3; i += 2) for (int backlog = -1; backlog < 3; backlog++) {
    int s = socket(types[i]), c[8], done = 0; a.family = 1; a.path[0] = 0; S(bind(s, &a, 9)); S(listen(s, backlog)); P(s);
    for (int k = 0; k < 5; k++) { c[k] = socket(types[i] | O_NONBLOCK); errno = 0; int r = connect(c[k], &a, 9); printf("%d %d\n", r, r ? errno : 0); if (r) P(c[k]); }
    P(s); P(c[0]); n = 300; S(fcntl(accept(s, &b, &n, O_NONBLOCK | O_CLOEXEC), F_GETFL) & O_NONBLOCK); printf("%u\n", n); S(listen(s, 9)); S(connect(c[4], &a, 9)); S(accept(s, 0, 0, 1)); S(accept(s, &b, 8, 0)); S(shutdown(s, 0)); S(connect(c[3], &a, 9)); P(s); S(close(s)); P(c[0]); P(c[1]); S(recvfrom(c[0], buffer, 1, 0, 0, 0)); for (int k = 0; k < 5; k++) close(c[k]); for (int f = 3; f < 40; f++) close(f);
  }
  int s = socket(STREAM), size = 4 * 1024; bind(s, &a, 9); listen(s, 0); int c = socket(STREAM), d = socket(STREAM), e; connect(c, &a, 9); CHILD(ms(30); e = accept(s, 0, 0, 0)); S(connect(d, &a, 9)); reap(); close(d); struct timeval tv = {0, 20000}; d = socket(STREAM); S(setsockopt(d, 21, &tv, 8)); S(connect(d, &a, 9)); S(connect(d, &a, 9)); S(setsockopt(s, 20, &tv, 8)); while (accept(s, 0, 0, 0) > 0) printf("one\n"); printf("%d\n", errno);
  for (int f = 3; f < 40; f++) close(f);
  for (int i = 0; i < 3; i++) { pair(types[i] | O_NONBLOCK); n = 4; S(setsockopt(v[0], 7, &size, 4)); int sent = 0, r; while ((r = sendto(v[0], buffer, 100, 0, 0, 0)) > 0) sent++; printf("%d\n", sent > 0 ? errno : 0); P(v[0]); P(v[1]); r = 0; while (recvfrom(v[1], buffer, 100, 0, 0, 0) == 100) r++; printf("%d\n", r == sent); P(v[0]); P(v[1]); S(sendto(v[0], buffer, 300000, 0, 0, 0) > 0); close(v[0]); close(v[1]); }
}
static void ends(void) {
  signal(SIGPIPE, hit);
  for (int i = 0; i < 3; i++) for (int who = 0; who < 2; who++) for (int how = -1; how < 4; how++) {
    pair(types[i] | O_NONBLOCK); hits = 0; sendto(v[1], "before", 6, 0, 0, 0); errno = 0; int r = shutdown(v[who], how); printf("type %d end %d how %d: %d %d\n", types[i], who, how, r, r ? errno : 0); P(v[0]); P(v[1]);
    S(sendto(v[0], "x", 1, 0, 0, 0)); S(sendto(v[1], "y", 1, 0, 0, 0)); S(sendto(v[0], "x", 1, NOSIGNAL, 0, 0)); printf("hits %d\n", hits); R(v[0], 9, 0); R(v[0], 9, 0); R(v[1], 9, 0); S(shutdown(v[who], 1)); P(v[0]); P(v[1]); close(v[1]); P(v[0]); S(sendto(v[0], "z", 1, 0, 0, 0)); R(v[0], 9, 0); R(v[0], 9, 0); int value = 9; n = 4; S(getsockopt(v[0], 4, &value, &n)); printf("%d hits %d\n", value, hits); close(v[0]);
  }
  int s = socket(STREAM); S(shutdown(s, 2)); P(s); R(s, 1, DONTWAIT); close(s);
  for (int i = 0; i < 3; i++) { pair(types[i] | O_NONBLOCK); sendto(v[0], "unread", 6, 0, 0, 0); close(v[1]); P(v[0]); R(v[0], 9, PEEK); R(v[0], 9, 0); R(v[0], 9, 0); S(sendto(v[0], "x", 1, NOSIGNAL, 0, 0)); S(sendto(v[0], "x", 1, NOSIGNAL, 0, 0)); close(v[0]); }
}
static void pieces(void) {
  static const int flags[] = {0, 1, PEEK, 4, TRUNC, PEEK | TRUNC, WAITALL | DONTWAIT, 0x2000, 0x80, 0x8000};
  for (int i = 0; i < 3; i++) for (int f = 0; f < 10; f++) if (flags[f] != 1 /* newer kernels have it */) { pair(types[i] | O_NONBLOCK); errno = 0; int r = sendto(v[0], "hello", 5, flags[f] & ~PEEK, 0, 0); printf("type %d flags %x: %d %d\n", types[i], flags[f], r, r < 0 ? errno : 0); sendto(v[0], "you", 3, 0, 0, 0); for (int size = 0; size < 10; size += 3) { memset(buffer, 0, 20); errno = 0; r = recvfrom(v[1], buffer, size, flags[f], 0, 0); printf("  %d: %d %d %s\n", size, r, r < 0 ? errno : 0, buffer); } close(v[0]); close(v[1]); }
  for (int i = 0; i < 3; i++) for (int f = 0; f < 10; f++) if (flags[f] != 1) { pair(types[i]); sendto(v[0], "hello", 5, 0, 0, 0); char one[4] = "", two[3] = ""; struct iovec io[3] = {{one, 3}, {0, 0}, {two, 1}}; m = (struct msghdr){&b, 90, io, 3}; errno = 0; int r = recvmsg(v[1], &m, flags[f]); printf("%d %d %.3s %.1s name %d control %d flags %x\n", r, r < 0 ? errno : 0, one, two, m.namelen, m.controllen, m.flags); close(v[0]); close(v[1]); }
  pair(STREAM); struct iovec io[3] = {{"ab", 2}, {(void *)8, 0}, {"cd", 2}}; m = (struct msghdr){0, 0, io, 3}; S(sendmsg(v[0], &m, 0)); R(v[1], 9, 0); io[1].iov_len = 1; S(sendmsg(v[0], &m, 0)); m.iovlen = 1025; S(sendmsg(v[0], &m, 0)); S(recvmsg(v[1], &m, 0)); m.iovlen = 1; m.name = &a; m.namelen = -1; S(sendmsg(v[0], &m, 0)); m.namelen = 9; S(sendmsg(v[0], &m, 0)); m.name = 0; S(sendmsg(v[0], 8, 0)); S(recvmsg(v[1], 8, 0)); io[0].iov_len = -1; S(sendmsg(v[0], &m, 0)); S(sendto(v[0], (void *)0xfffffff0, 9, 0, 0, 0)); S(recvfrom(v[1], 8, 9, DONTWAIT, 0, 0)); sendto(v[0], "lost", 4, 0, 0, 0); S(recvfrom(v[1], 8, 2, DONTWAIT, 0, 0)); R(v[1], 9, DONTWAIT); R(v[1], 9, DONTWAIT);
  S(write(v[0], "12345", 5)); S(syscall(54, v[1], 0x541b, &n)); printf("%u\n", n); S(syscall(54, v[1], 0x5411, &n)); S(syscall(54, v[1], 0x541b, 8)); S(syscall(54, v[1], 0x5401, &n)); R(v[1], 2, PEEK); R(v[1], 2, 0); R(v[1], 2, PEEK); S(syscall(54, v[1], 0x541b, &n)); printf("%u\n", n); close(v[0]); R(v[1], 9, WAITALL); close(v[1]);
  pair(DGRAM); S(write(v[0], "12345", 5)); S(write(v[0], "123", 3)); S(syscall(54, v[1], 0x541b, &n)); printf("%u\n", n); R(v[1], 2, 0); S(syscall(54, v[1], 0x541b, &n)); printf("%u\n", n); close(v[0]); close(v[1]);
  pair(STREAM); int low = 4; S(setsockopt(v[1], 18, &low, 4)); P(v[1]); write(v[0], "ab", 2); P(v[1]); CHILD(ms(20); write(v[0], "cd", 2)); R(v[1], 9, 0); reap(); R(v[1], 9, DONTWAIT); write(v[0], "x", 1); fcntl(v[1], F_SETFL, O_NONBLOCK); R(v[1], 9, 0); low = 0; S(setsockopt(v[1], 18, &low, 4)); n = 4; S(getsockopt(v[1], 18, &low, &n)); printf("%d\n", low);
  for (int on = -1; on < 3; on++) for (int time = 0; time < 80000; time += 26667) { int l[3] = {on, time}; S(setsockopt(v[0], 13, l, 8)); l[0] = l[1] = 9; n = 8; S(getsockopt(v[0], 13, l, &n)); printf("%d %d %u\n", l[0], l[1], n); } close(v[0]); close(v[1]);
}
int main() { names(); queues(); ends(); pieces(); return 0; }
