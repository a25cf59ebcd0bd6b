/* AF_UNIX: streams, datagrams, packets; names; files and credentials in messages */
#include "calls.h"
#define socket(f, t, p) syscall(359, f, t, p)
#define socketpair(f, t, p, v) syscall(360, f, t, p, v)
#define bind(s, a, n) syscall(361, s, a, n)
#define connect(s, a, n) syscall(362, s, a, n)
#define listen(s, n) syscall(363, s, n)
#define accept(s, a, n) syscall(364, s, a, n, 0)
#define accept4(s, a, n, f) syscall(364, s, a, n, f)
#define getsockopt(s, l, o, v, n) syscall(365, s, l, o, v, n)
#define setsockopt(s, l, o, v, n) syscall(366, s, l, o, v, n)
#define send(s, b, n, f) syscall(369, s, b, n, f, 0, 0)
#define sendto(s, b, n, f, a, l) syscall(369, s, b, n, f, a, l)
#define recv(s, b, n, f) syscall(371, s, b, n, f, 0, 0)
#define recvfrom(s, b, n, f, a, l) syscall(371, s, b, n, f, a, l)
#define sendmsg(s, m, f) syscall(370, s, m, f)
#define recvmsg(s, m, f) syscall(372, s, m, f)
#define shutdown(s, h) syscall(373, s, h)
  enum { STREAM = 1, DGRAM, SEQPACKET = 5, PEEK = 2, TRUNC = 0x20, DONTWAIT = 0x40, WAITALL = 0x100, NOSIGNAL = 0x4000 };
struct sockaddr { unsigned short family; char path[108]; };
  struct msghdr { void *name; unsigned namelen; struct iovec *iov; unsigned iovlen; void *control;
  unsigned controllen, flags; };
  static struct sockaddr a = {1, "/tmp/tk_sock"}, abs = {1, "\0tk_abstract"}, from; static unsigned n;
  static char buffer[70000];
#define NAME(s, which) NAMED(s, which, 20)
#define NAMED(s, which, most) { n = 110; memset(&from, 0, sizeof from); S(which(s, &from, &n)); printf("  %u %u %.20s|%s\n", n, from.family, from.path, most ? from.path + 1 : ""); }
#define getsockname(s, a, n) syscall(367, s, a, n)
#define getpeername(s, a, n) syscall(368, s, a, n)
#define R(s, size, flags) { memset(buffer, 0, 200); S(recv(s, buffer, size, flags)); printf("  %.40s\n", buffer); }
#define P(s) { struct pollfd p_ = {s, 0x2047}; S(poll(&p_, 1, 0)); printf("  %x\n", p_.revents & 0xffff); }
static int control[16]; static struct iovec iov = {buffer, 100}; static struct msghdr m = {0, 0, &iov, 1};
  static int out(int s, int level, int kind, int count, int x, int y, int z) { int c[6] = {12 + 4 * count, level, kind, x, y, z};
  struct iovec v = {"msg", 3}; struct msghdr h = {0, 0, &v, 1, c, 12 + 4 * count};
  return sendmsg(s, &h, 0); }
#define IN(s, room, flags_) { memset(control, 0, 64); memset(buffer, 0, 100); m.control = control; m.controllen = room; S(recvmsg(s, &m, flags_)); printf("  %.20s clen %u flags %x: %d %d %d\n", buffer, m.controllen, m.flags & 0xff, control[0], control[1], control[2]); }
int main() {
  int s, t, v[2], w[2], one = 1, value; unlink(a.path); signal(SIGPIPE, hit);
  S(socket(1, 99, 0)); S(socket(1, 4, 0)); S(socket(99, 1, 0)); S(socket(-1, 1, 0)); S(socket(1, 1, 7));
  S(socket(1, 1 | 0x100, 0)); S(socketpair(1, STREAM, 0, 8)); S(bind(0, &a, 110)); S(bind(99, &a, 110));
  S(listen(1, 1));
  s = Z(socket(1, STREAM | O_CLOEXEC | O_NONBLOCK, 0)); S(fcntl(s, F_GETFD)); S(fcntl(s, F_GETFL));
  NAME(s, getsockname); S(getpeername(s, &from, &n)); S(listen(s, 1)); S(accept(s, 0, 0));
  S(send(s, "x", 1, 0)); S(recv(s, buffer, 1, 0)); P(s); S(connect(s, &a, 110)); S(connect(s, &abs, 14));
  S(connect(s, &a, 2)); S(connect(s, &a, 200)); a.family = 2; S(connect(s, &a, 110)); S(bind(s, &a, 110));
  a.family = 1; S(bind(s, &a, 1)); S(bind(s, 8, 20));
  S(bind(s, &a, 110)); S(bind(s, &a, 110)); NAME(s, getsockname); t = socket(1, STREAM, 0);
  S(bind(t, &a, 110)); S(bind(t, &abs, 14)); NAME(t, getsockname);
  s = (close(s), unlink(a.path), socket(1, STREAM, 0)); S(bind(s, &abs, 14)); S(bind(s, &a, 110));
  S(listen(s, 1)); S(connect(t, &a, 110)); NAME(t, getpeername); S(connect(t, &a, 110)); P(s); P(t);
  n = 110; int c = Z(accept(s, &from, &n)); printf("%u %.12s\n", n, from.path + 1);
  S(send(c, "hello world", 11, 0)); P(t); R(t, 5, PEEK); R(t, 5, 0); R(t, 100, 0); R(t, 1, DONTWAIT);
  S(send(t, "a", 1, 0)); S(send(t, "b", 1, 0)); S(sendto(t, "b", 1, 0, &a, 110)); R(c, 10, 0);
  struct { int pid, uid, gid; } cred; n = 12; S(getsockopt(c, 1, 17, &cred, &n));
  printf("%d %d %u\n", cred.pid == getpid(), cred.uid, n); S(listen(c, 1)); S(listen(t, 1)); n = 4;
  S(getsockopt(s, 1, 30, &value, &n)); printf("%d\n", value); S(getsockopt(s, 1, 3, &value, &n));
  printf("%d\n", value); S(getsockopt(s, 1, 39, &value, &n)); printf("%d\n", value); n = 2;
  S(getsockopt(s, 1, 3, &value, &n)); S(getsockopt(s, 1, 999, &value, &n));
  S(getsockopt(s, 6, 3, &value, &n)); n = -1; S(getsockopt(s, 1, 3, &value, &n));
  S(setsockopt(s, 1, 2, &one, 4)); S(setsockopt(s, 1, 2, &one, 3)); S(setsockopt(s, 1, 999, &one, 4));
  S(setsockopt(s, 6, 2, &one, 4)); S(setsockopt(s, 1, 2, 8, 4)); n = 4;
  S(getsockopt(s, 1, 2, &value, &n)); printf("%d\n", value);
  struct timeval tv = {0, 20000}, bad = {0, 2000000}; S(setsockopt(c, 1, 20, &tv, 8));
  S(setsockopt(c, 1, 20, &bad, 8)); R(c, 1, 0); S(setsockopt(c, 1, 7, &one, 4));
  S(getsockopt(c, 1, 7, &value, &n)); printf("%d\n", value);
  S(shutdown(t, 3)); S(shutdown(t, -1)); S(shutdown(t, 1)); S(send(t, "x", 1, 0));
  S(send(t, "x", 1, NOSIGNAL)); printf("hits %d\n", hits); R(c, 1, 0); P(c); P(t);
  S(send(c, "still", 5, 0)); R(t, 9, 0); S(close(t)); P(c); S(send(c, "x", 1, NOSIGNAL)); R(c, 1, 0);
  close(c);
  t = socket(1, STREAM | O_NONBLOCK, 0); S(connect(t, &a, 110)); c = socket(1, STREAM | O_NONBLOCK, 0);
  S(connect(c, &a, 110)); int d = socket(1, STREAM | O_NONBLOCK, 0); S(connect(d, &a, 110));
  S(send(t, "early", 5, 0)); S(close(c)); close(d); c = accept(s, 0, 0); R(c, 9, 0);
  S(send(c, "unread", 6, 0)); S(close(t)); R(c, 9, 0); close(c); S(close(s)); t = socket(1, STREAM, 0);
  S(connect(t, &a, 110)); unlink(a.path); close(t);
  S(socketpair(1, STREAM, 0, v)); S(write(v[0], "one", 3)); S(write(v[0], "two", 3));
  S(read(v[1], buffer, 4)); S(read(v[1], buffer, 4));
  CHILD(ms(20); write(v[0], "ab", 2); ms(20); write(v[0], "cd", 2)); R(v[1], 4, WAITALL); reap();
  struct iovec two[2] = {{"ga", 2}, {"ther", 4}}; S(syscall(146, v[0], two, 2));
  char b1[3] = "", b2[9] = ""; two[0].iov_base = b1; two[1].iov_base = b2; S(syscall(145, v[1], two, 2));
  printf("%.2s %.4s\n", b1, b2); S(syscall(54, v[0], 0x541b, &value)); printf("%d\n", value);
  write(v[1], "12345", 5); S(syscall(54, v[0], 0x541b, &value)); printf("%d\n", value);
  S(lseek(v[0], 0, 0)); S(read(v[0], buffer, 0)); fcntl(v[0], F_SETFL, O_NONBLOCK); int total = 0, r;
  while ((r = write(v[0], buffer, 70000)) > 0) total += r; S(write(v[0], buffer, 1));
  printf("%d\n", total > 100000); P(v[0]); close(v[0]); P(v[1]); S(read(v[1], buffer, 70000) > 0);
  close(v[1]);
  S(socketpair(1, DGRAM, 0, v)); S(send(v[0], "first", 5, 0)); S(send(v[0], "", 0, 0));
  S(send(v[0], "third", 5, 0)); R(v[1], 3, 0); R(v[1], 9, 0); R(v[1], 2, TRUNC | PEEK); IN(v[1], 0, 0);
  R(v[1], 1, DONTWAIT); S(send(v[0], buffer, 300000, 0)); S(shutdown(v[0], 1)); S(send(v[0], "x", 1, 0));
  S(close(v[1])); S(send(v[0], "x", 1, 0)); S(send(v[0], "x", 1, 0)); close(v[0]);
  s = socket(1, DGRAM, 0); t = socket(1, DGRAM, 0); S(bind(s, &abs, 14));
  S(sendto(t, "hi", 2, 0, &abs, 14)); n = 110; memset(&from, 0, sizeof from);
  S(recvfrom(s, buffer, 9, 0, &from, &n)); printf("%u\n", n); S(bind(t, &abs, 2)); NAMED(t, getsockname, 0);
  S(sendto(t, "hi", 2, 0, &abs, 14)); n = 110; S(recvfrom(s, buffer, 9, 0, &from, &n));
  printf("%u %d\n", n, from.family); S(connect(t, &abs, 14)); S(send(t, "hi", 2, 0)); R(s, 9, 0);
  S(send(s, "x", 1, 0)); S(sendto(t, "x", 1, 0, &a, 110)); S(connect(t, &(struct sockaddr){0}, 2));
  S(send(t, "x", 1, 0)); fcntl(t, F_SETFL, O_NONBLOCK);
  for (r = 0; sendto(t, "q", 1, 0, &abs, 14) > 0; r++) continue; printf("%d queued, %d\n", r, errno);
  P(s); S(accept(s, 0, 0)); S(listen(s, 5)); int st = socket(1, STREAM, 0); S(connect(st, &abs, 14));
  close(st); close(s); S(sendto(t, "x", 1, 0, &abs, 14)); close(t);
  S(socketpair(1, SEQPACKET, 0, v)); S(send(v[0], "packet", 6, 0)); S(send(v[0], "two", 3, 0));
  R(v[1], 3, 0); IN(v[1], 0, 0); S(close(v[0])); R(v[1], 3, 0); S(send(v[1], "x", 1, NOSIGNAL)); P(v[1]);
  close(v[1]); s = socket(1, SEQPACKET, 0); S(send(s, "x", 1, 0)); S(recv(s, buffer, 1, 0)); close(s);
  S(socketpair(1, STREAM, 0, v)); S(pipe(w)); S(out(v[0], 1, 1, 1, w[1], 0, 0)); S(close(w[1]));
  IN(v[1], 64, 0); S(write(control[3], "thru", 4)); S(read(w[0], buffer, 9)); S(close(control[3]));
  S(read(w[0], buffer, 9)); close(w[0]); S(out(v[0], 1, 1, 1, 99, 0, 0)); S(out(v[0], 1, 9, 1, 0, 0, 0));
  S(out(v[0], 9, 1, 1, 99, 0, 0)); IN(v[1], 64, 0); S(out(v[0], 1, 1, 3, 0, 1, 2));
  IN(v[1], 20, 0x40000000); S(fcntl(control[3], F_GETFD)); close(control[3]); close(control[4]);
  S(out(v[0], 1, 1, 1, 0, 0, 0)); S(recv(v[1], buffer, 2, 0)); IN(v[1], 64, 0);
  S(setsockopt(v[1], 1, 16, &one, 4)); S(send(v[0], "creds", 5, 0)); IN(v[1], 64, 0);
  printf("%d %d %d\n", control[3] == getpid(), control[4], control[5]);
  S(out(v[0], 1, 2, 3, getpid(), 5, 6)); IN(v[1], 64, 0); printf("%d %d\n", control[4], control[5]);
  S(out(v[0], 1, 2, 3, 999999, 0, 0));
  CHILD(setuid(1000); S(out(v[0], 1, 2, 3, getpid(), 0, 0)); S(out(v[0], 1, 2, 3, 1, 1000, 0))); reap();
  S(out(v[0], 1, 2, 2, 0, 0, 0)); CHILD(S(out(v[0], 1, 1, 1, v[0], 0, 0))); reap(); close(v[0]);
  close(v[1]);
  S(socketpair(1, DGRAM, 0, v)); S(out(v[0], 1, 1, 2, v[0], v[1], 0)); S(close(v[0])); S(close(v[1]));
  struct { struct msghdr h; unsigned len;
  } mm[3] = {{{0, 0, two, 2}}, {{0, 0, two, 2}}, {{0, 0, two, 2}}}; S(socketpair(1, DGRAM, 0, v));
  S(syscall(345, v[0], mm, 3, 0)); printf("%u %u\n", mm[0].len, mm[2].len); mm[0].len = 0;
  S(syscall(337, v[1], mm, 3, 0, 0)); printf("%u %u\n", mm[0].len, mm[1].len);
  S(syscall(337, v[1], mm, 3, DONTWAIT, 0)); int args[6] = {v[0], (int)"call", 4, 0};
  S(syscall(102, 9, args)); args[0] = v[1]; args[1] = (int)buffer; args[2] = 9; S(syscall(102, 10, args));
  S(syscall(102, 99, args)); S(syscall(102, 9, 8)); CHILD(ms(20); kill(getpid(), SIGKILL)); reap();
  struct sigaction sa = {hit, 0}; sigaction(SIGUSR1, &sa, 0); int me = getpid();
  CHILD(ms(20); kill(me, SIGUSR1)); S(recv(v[1], buffer, 1, 0)); reap();
  return 0;
}
