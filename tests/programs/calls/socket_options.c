/* Settings of AF_UNIX sockets: SO_PASSRIGHTS (open files are not taken), SO_INQ (a stream's reader hears how much there
 * is still), and how many sockets of each protocol a network has. */
#include "calls.h"
#include "rows.h"
enum { STREAM = 1, DGRAM, SEQPACKET = 5, PASSRIGHTS = 83, INQ = 84, OOB = 1, PEEK = 2, SOCKET = 1 };
struct msghdr { void *name; int namelen; struct iovec *iov; int iovlen; void *control; int controllen, flags; };
struct cmsghdr { int len, level, type, data[8]; };
#define sys_socketpair(t, v) syscall(360, 1, t, 0, v)
#define set(f, n, p, l) syscall(366, f, SOCKET, n, p, l)
static int get(int f, int name) { int value = -9, length = 4; long r = C(syscall(365, f, SOCKET, name, &value, &length)); return r ? -1 : value; }
static long send_files(int f, int fd, int count) {
  struct iovec v = {"xyz", 3}; struct cmsghdr c = {12 + 4 * count, SOCKET, 1, {fd, fd}}; struct msghdr m = {0, 0, &v, 1, &c, 12 + 4 * count};
  return syscall(370, f, &m, 0x4040);
}
static void receive(int f, int size, int room, int flags) {
  static char data[64]; static char control[64]; memset(control, 0, sizeof control);
  struct iovec v = {data, size}; struct msghdr m = {0, 0, &v, 1, room ? control : 0, room};
  C(syscall(372, f, &m, flags | 0x40)); put(m.flags); put(m.controllen);
  for (int at = 0; at + 12 <= m.controllen;) { int *c = (int *)(control + at); put(c[0]); put(c[1]); put(c[2]); put(c[2] == 1 && c[0] >= 16 ? close(c[3]) : c[2] == 2 ? c[3] == getpid() : c[3]); if (c[0] < 12) break; at += (c[0] + 3) & ~3; }
}
static void protocols(const char *name) {
  static char text[8192]; int f = open("/proc/net/protocols", 0), n = read(f, text, 8191); close(f); start(name); text[n > 0 ? n : 0] = 0;
  for (char *at = text; *at; at++) if ((at == text || at[-1] == '\n') && at[0] == 'U' && at[1] == 'N') { char *end = at; while (*end != '\n') end++; *end = 0; int from = at[4] == '-' ? 11 : 9; at[from + 1] = at[from + 2] = at[from + 3] = at[from + 4] = '#'; word(at); *end = '\n'; at = end - 1; }
  done();
}

int main(void) {
  int p[2], q[2], one = 1, zero = 0, two = 2, none = open("/dev/null", O_RDONLY); long long wide = 0;
  syscall(310, 0x40000000); protocols("empty");
  EACH(type, STREAM, DGRAM, SEQPACKET) {
    start("type"); put(type); sys_socketpair(type, p); put(get(p[0], PASSRIGHTS)); C(send_files(p[0], none, 1)); receive(p[1], 3, 64, 0);
    C(set(p[1], PASSRIGHTS, &zero, 4)); put(get(p[1], PASSRIGHTS)); C(send_files(p[0], none, 1)); C(send_files(p[0], none, 2)); C(send_files(p[0], 99, 1)); C(write(p[0], "abc", 3)); C(send_files(p[1], none, 1));
    C(set(p[1], PASSRIGHTS, &two, 4)); put(get(p[1], PASSRIGHTS)); C(set(p[1], PASSRIGHTS, &zero, 3)); C(set(p[1], PASSRIGHTS, &wide, 8)); put(get(p[1], PASSRIGHTS)); C(set(p[1], PASSRIGHTS, (void *)16, 4)); done();
    start("inq"); put(get(p[0], INQ)); C(set(p[0], INQ, &one, 4)); C(set(p[0], INQ, &two, 4)); C(set(p[0], INQ, &zero, 8)); C(set(p[0], INQ, &zero, 3)); C(set(p[0], INQ, (void *)16, 4)); done();
    start("open"); sys_socketpair(type, q); done(); protocols("some"); close(q[0]); close(q[1]); close(p[0]); close(p[1]); protocols("none");
  }
  sys_socketpair(STREAM, p); set(p[1], INQ, &one, 4);
  start("stream"); receive(p[1], 4, 64, 0); C(write(p[0], "0123456789", 10)); receive(p[1], 4, 64, 0); receive(p[1], 2, 64, PEEK); EACH(room, 0, 11, 12, 13, 16, 20) receive(p[1], 1, room, 0); C(send_files(p[0], none, 2)); C(write(p[0], "ab", 2)); receive(p[1], 0, 64, 0); receive(p[1], 32, 64, 0); receive(p[1], 32, 64, 0); done();
  start("credentials"); C(set(p[1], 16, &one, 4)); C(write(p[0], "abc", 3)); receive(p[1], 1, 12 + 12, 0); receive(p[1], 1, 24 + 12, 0); done();
  start("end"); close(p[0]); receive(p[1], 8, 16, 0); C(set(p[1], INQ, &zero, 4)); receive(p[1], 8, 16, 0); receive(p[1], 8, 16, 0); receive(p[1], 8, 64, 0); receive(p[1], 8, 0, 0); close(p[1]); done();
  start("listener"); int l = syscall(359, 1, STREAM, 0), c = syscall(359, 1, STREAM, 0); short family[3] = {1}; char name[110]; int length = 110;
  C(syscall(361, l, family, 2)); C(syscall(363, l, 5)); C(set(l, PASSRIGHTS, &zero, 4)); C(syscall(367, l, name, &length)); C(syscall(362, c, name, length)); C(send_files(c, none, 1)); int a = C(syscall(364, l, 0, 0, 0)); put(get(a, PASSRIGHTS)); C(send_files(c, none, 1)); C(send_files(a, none, 1)); done();
  protocols("listening"); close(l); close(c); close(a);
  start("cycle"); sys_socketpair(STREAM, p); sys_socketpair(DGRAM, q); C(send_files(p[1], p[0], 2)); C(send_files(q[1], p[1], 1)); C(send_files(p[0], q[0], 1)); done(); protocols("before"); EACH(i, 0, 1) { close(p[i]); close(q[i]); } ms(300); protocols("collected");
  return 0;
}
