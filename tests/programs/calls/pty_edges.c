/* pseudo-terminals: packet mode, System V's and newer forms of the modes, long lines, small reads, who may control */
#include "calls.h"
#define ioctl(f, r, a) syscall(54, f, r, a)
enum { TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCGETA, TCSETA, TCSETAW, TCSETAF, TCSBRK, TCXONC, TCFLSH };
enum { TIOCSCTTY = 0x540e, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCSTI, TIOCGWINSZ, TIOCSWINSZ, FIONREAD = 0x541b };
enum { TIOCPKT = 0x5420, TIOCNOTTY = 0x5422, TIOCSETD, TIOCGETD, TCSBRKP, TIOCGSID = 0x5429, SIGWINCH = 28 };
enum { TCGETS2 = 0x802c542a, TCSETS2 = 0x402c542b, TCSETSF2 = 0x402c542d, TIOCGPTN = 0x80045430, TIOCSPTLCK = 0x40045431 };
enum { TIOCGPKT = 0x80045438, TIOCGPTLCK = 0x80045439 };
struct termios { unsigned iflag, oflag, cflag, lflag; unsigned char line, cc[19]; unsigned ispeed, ospeed; } tio, t, got;
struct termio { unsigned short iflag, oflag, cflag, lflag; unsigned char line, cc[8]; } old;
static char buffer[9000], name[32];
static int m, s, n, off;
static void show(int length) {
  char text[200], *to = text; int i = 0;
  for (; i < length && i < 40; i++) { unsigned char c = buffer[i]; if (c < 32 || c == 127) *to++ = '^', *to++ = c ^ 64; else *to++ = c; }
  *to = 0; printf("  '%s'\n", text);
}
#define R(f, size) { int r_ = S(read(f, buffer, size)); show(r_); }
#define IN(text) (write(m, text, strlen(text)), ms(6))
#define P(f) { struct pollfd p_ = {f, 0xffff}; S(poll(&p_, 1, 0)); printf("  %x\n", p_.revents & 0xffff); }
#define EMPTY(f) { fcntl(f, F_SETFL, O_NONBLOCK); while (read(f, buffer, 9000) > 0); fcntl(f, F_SETFL, 0); }
#define SET(...) { t = tio; __VA_ARGS__; ioctl(s, TCSETS, &t); }
static int slave(int master, int flags) {
  int number_; ioctl(master, TIOCGPTN, &number_); strcpy(name, "/dev/pts/"); char *to = name + 9;
  number(&to, number_, 10); *to = 0; ioctl(master, TIOCSPTLCK, &off); return open(name, O_RDWR | flags);
}
static void packets(void) {
  n = 1; S(ioctl(m, TIOCPKT, &n)); S(ioctl(m, TIOCGPKT, &n)); printf("%d\n", n); S(ioctl(s, TIOCPKT, &n)); P(m);
  for (int arg = 0; arg < 3; arg++) { S(ioctl(s, TCFLSH, arg)); P(m); R(m, 9); P(m); }
  write(s, "x", 1); ms(6); S(ioctl(s, TCFLSH, 0)); R(m, 9); R(m, 9);
  write(s, "y", 1); ms(6); S(ioctl(s, TCFLSH, 1)); R(m, 9); P(m); S(ioctl(m, TCFLSH, 2)); P(m);
  S(ioctl(s, TCXONC, 0)); P(m); R(m, 9); S(ioctl(s, TCXONC, 0)); P(m); S(ioctl(s, TCXONC, 1)); R(m, 9);
  S(ioctl(s, TCXONC, 1)); P(m); S(ioctl(s, TCXONC, 0)); S(ioctl(s, TCXONC, 1)); R(m, 9);
  IN("\x13"); R(m, 9); IN("\x11"); R(m, 9); P(m);
  SET(t.iflag &= ~02000); P(m); R(m, 9); SET(t.iflag &= ~02000); P(m); SET(); R(m, 9);
  SET(t.cc[8] = 1); R(m, 9); SET(t.cc[9] = 1); P(m); SET(); R(m, 9); SET(t.lflag &= ~2); P(m); SET();
  S(ioctl(s, TCSETSF, &tio)); R(m, 9); IN("ab\x03"); R(m, 9); R(m, 9); P(m); SET(t.lflag |= 0x80); IN("ab\x03"); R(m, 9);
  SET(); IN("\n"); R(s, 9); R(m, 9); write(s, "abc", 3); ms(6); R(m, 1); R(m, 2); R(m, 9);
  S(ioctl(s, TCFLSH, 0)); n = 2; S(ioctl(m, TIOCPKT, &n)); P(m); n = 0; S(ioctl(m, TIOCPKT, &n)); P(m); n = 1; ioctl(m, TIOCPKT, &n);
  P(m); n = 0; ioctl(m, TIOCPKT, &n); S(ioctl(s, TCFLSH, 0)); P(m); S(ioctl(m, TIOCGPKT, &n)); printf("%d\n", n);
}
static void modes(void) {
  ioctl(s, TCGETA, &old); printf("%x %x %x %x %d %d %d\n", old.iflag, old.oflag, old.cflag, old.lflag, old.line, old.cc[0], old.cc[7]);
  SET(t.iflag |= 0x10000; t.oflag |= 0x20000; t.lflag |= 0x10000; t.cc[10] = 7; t.cc[16] = 9);
  for (int r = TCSETA; r <= TCSETAF; r++) {
    old.iflag = 0x500 + r; old.lflag ^= 8; old.cc[1] = r; old.cc[7] = 5; IN("typed\n"); S(ioctl(s, r, &old)); S(ioctl(s, FIONREAD, &n));
    printf("%d\n", n); ioctl(s, TCGETS, &got); printf("%x %x %x %x %d %d %d %d\n", got.iflag, got.oflag, got.cflag, got.lflag, got.cc[1], got.cc[7], got.cc[10], got.cc[16]);
    EMPTY(s); EMPTY(m);
  }
  ioctl(s, TCSETS, &tio); S(ioctl(s, TCGETS2, &got)); printf("%x %u %u\n", got.cflag, got.ispeed, got.ospeed);
  static const unsigned speeds[] = {0, 1, 7, 13, 14, 15, 0x1001, 0x1002, 0x1004, 0x100f, 0x1000, 0x1000 | 13 << 16, 0xd | 0xe << 16};
  for (int i = 0; i < 13; i++) for (int how = 0; how < 2; how++) {
    ioctl(s, TCGETS2, &t); t.cflag = t.cflag & ~0x100f100f | speeds[i]; t.ispeed = 123; t.ospeed = 456; ioctl(s, how ? TCSETS2 : TCSETS, &t);
    ioctl(s, TCGETS2, &got); printf("speed %x %d: %x %u %u\n", speeds[i], how, got.cflag, got.ispeed, got.ospeed); ioctl(s, TCSETS, &tio);
  }
  for (int bit = 0; bit < 32; bit++) if (1u << bit & ~0x300f100f) { SET(t.cflag ^= 1u << bit); ioctl(s, TCGETS, &got); printf("cflag %d %x\n", bit, got.cflag ^ tio.cflag); }
  SET(t.line = 3); ioctl(s, TCGETS, &got); printf("line %d\n", got.line); SET();
  IN("gone\n"); S(ioctl(s, TCSETSF2, &tio)); S(ioctl(s, FIONREAD, &n)); printf("%d\n", n); EMPTY(m);
  S(ioctl(s, TCGETA, 8)); S(ioctl(s, TCSETA, 8)); S(ioctl(s, TCSETS2, 8)); S(ioctl(s, TIOCGWINSZ, 8)); S(ioctl(s, TIOCSWINSZ, 8));
  S(ioctl(s, FIONREAD, 8)); S(ioctl(s, TIOCGETD, 8)); S(ioctl(s, TIOCSETD, 8)); n = 0; S(ioctl(s, TIOCSETD, &n)); n = 99; S(ioctl(s, TIOCSETD, &n));
  S(ioctl(s, TIOCOUTQ, &n)); printf("%d\n", n); S(ioctl(s, TCSBRK, 0)); S(ioctl(s, TCSBRKP, 0)); S(ioctl(s, TIOCGPTN, &n)); S(ioctl(m, TIOCGPTLCK, &n));
  printf("%d\n", n); n = 5; S(ioctl(m, TIOCSPTLCK, &n)); S(ioctl(m, TIOCGPTLCK, &n)); printf("%d\n", n); S(open(name, O_RDWR)); S(ioctl(m, TIOCSPTLCK, &off)); S(close(open(name, O_RDWR | 0400)));
}
static void locks(void) { /* of modes: TIOCGLCKTRMIOS and TIOCSLCKTRMIOS */
  struct termios l; memset(&l, 0, sizeof l); l.ispeed = 7;
  for (int i = 0; i < 4; i++) {
    S(ioctl(i & 1 ? m : s, 0x5456, &got)); printf("%x %x %x %x %d %d %d\n", got.iflag, got.oflag, got.cflag, got.lflag, got.line, got.cc[0], got.cc[18]);
    t = tio; t.iflag ^= 0x500; t.oflag ^= 5; t.cflag ^= 0x406; t.lflag ^= 0x1a; t.line = 3; t.cc[0] = 9; t.cc[1] = 8; S(ioctl(s, TCSETS + i % 3, &t)); ioctl(s, TCGETS2, &got);
    printf("%x %x %x %x %d %d %d %u\n", got.iflag, got.oflag, got.cflag, got.lflag, got.line, got.cc[0], got.cc[1], got.ospeed); SET();
    l.iflag = i ? 0x100 : 0; l.oflag = i > 1 ? 4 : 0; l.cflag = i ? 0x100f : 0; l.lflag = 8 * i; l.line = i; l.cc[0] = i; S(ioctl(i & 1 ? s : m, 0x5457, &l));
  }
  S(ioctl(s, 0x5456, 8)); S(ioctl(s, 0x5457, 8)); CHILD(syscall(203, 1000, 1000); S(ioctl(s, 0x5456, &got)); S(ioctl(s, 0x5457, &l)); S(ioctl(s, 0x5457, 8))); reap(); memset(&l, 0, sizeof l); S(ioctl(s, 0x5457, &l));
}
static void lines(void) {
  for (int length = 4093; length < 4099; length++) {
    memset(buffer, 'a', length); buffer[length] = '\n'; SET(t.lflag &= ~8); write(m, buffer, length + 1); ms(10); S(read(s, buffer, 9000)); SET(); EMPTY(m); EMPTY(s);
  }
  IN("one\n"); IN("\x04"); S(ioctl(s, FIONREAD, &n)); printf("%d\n", n); R(s, 3); R(s, 1); P(s); S(ioctl(s, FIONREAD, &n)); printf("%d\n", n); R(s, 9); P(s);
  IN("end\x04"); S(ioctl(s, FIONREAD, &n)); printf("%d\n", n); R(s, 3); fcntl(s, F_SETFL, O_NONBLOCK); R(s, 3); fcntl(s, F_SETFL, 0); EMPTY(m);
  IN("a\nbc\n\nd"); S(ioctl(s, FIONREAD, &n)); printf("%d\n", n); R(s, 1); R(s, 1); R(s, 9); R(s, 9); P(s); IN("\n"); R(s, 9); EMPTY(m);
  SET(t.cc[11] = ';'; t.cc[16] = '!'); IN("x;y!z\n"); R(s, 9); R(s, 9); R(s, 9); SET(); EMPTY(m);
  SET(t.lflag &= ~2; t.cc[6] = 3); fcntl(s, F_SETFL, O_NONBLOCK); IN("ab"); P(s); R(s, 2); IN("ab"); R(s, 9); IN("c"); P(s); R(s, 9);
  SET(t.lflag &= ~2; t.cc[6] = 3; t.cc[5] = 1); IN("d"); P(s); R(s, 9); fcntl(s, F_SETFL, 0); IN("e"); R(s, 9); EMPTY(m);
  SET(t.lflag &= ~2; t.cc[6] = 0; t.cc[5] = 0); P(s); R(s, 9); IN("f"); R(s, 9); SET(t.lflag &= ~2; t.cc[6] = 0; t.cc[5] = 1); R(s, 9); IN("g"); R(s, 9);
  SET(t.lflag &= ~2; t.cc[6] = 200; t.cc[5] = 2); CHILD(ms(50); write(m, "h", 1); ms(50); write(m, "i", 1)); R(s, 9); reap();
  SET(t.lflag &= ~2; t.cc[6] = 2; t.cc[5] = 0); CHILD(ms(30); write(m, "j", 1); ms(30); write(m, "k", 1)); R(s, 9); reap(); EMPTY(m); SET(); EMPTY(s);
  IN("kept\n"); SET(t.lflag &= ~2); R(s, 2); SET(); R(s, 9); IN("half"); SET(t.lflag &= ~2); IN("raw"); SET(); R(s, 20); EMPTY(m); SET(); EMPTY(s);
  S(write(m, buffer, 0)); S(read(m, buffer, 0)); S(write(s, buffer, 0)); S(read(s, (void *)8, 3) + (IN("q\n"), 0)); S(write(m, (void *)8, 3)); S(write(s, (void *)8, 3));
  char *end = (char *)mmap(0, 3 * 4096, 3, 34, -1, 0) + 8192; munmap(end, 4096); memset(end - 8192, 'e', 8192); SET(t.lflag &= ~10; t.oflag = 0); /* pieces of 2048 bytes */
  for (int n = 2047; n < 2050; n++) { S(write(s, end - n, 4096)); EMPTY(m); S(write(m, end - n, 4000)); EMPTY(s); } S(write(s, end - 6144, 6145)); EMPTY(m); SET();
}
static void controls(void) {
  int c, st, other; short size[4] = {1, 2, 3, 4}; signal(SIGWINCH, hit); hits = 0;
  S(ioctl(s, TIOCSCTTY, 0)); S(ioctl(s, TIOCGSID, &n)); printf("%d\n", n == getpid());
  S(ioctl(s, TIOCSWINSZ, size)); printf("hits %d\n", hits); S(ioctl(m, TIOCSWINSZ, size)); printf("hits %d\n", hits); size[3] = 5; S(ioctl(m, TIOCSWINSZ, size)); printf("hits %d\n", hits);
  int m2 = open("/dev/ptmx", O_RDWR | 0400), s2 = slave(m2, 0400); S(ioctl(s2, TIOCSCTTY, 0)); S(ioctl(s2, TIOCGPGRP, &n)); S(ioctl(m2, TIOCGPGRP, &n)); printf("%d\n", n);
  S(ioctl(m2, TIOCGSID, &n)); S(ioctl(s2, TIOCNOTTY, 0)); S(ioctl(m, TIOCNOTTY, 0)); n = getpid(); S(ioctl(s2, TIOCSPGRP, &n)); S(ioctl(m, TIOCSPGRP, &n));
  n = 0; S(ioctl(s, TIOCSPGRP, &n)); n = -1; S(ioctl(s, TIOCSPGRP, &n)); n = 1; S(ioctl(s, TIOCSPGRP, &n)); S(ioctl(s, TIOCSPGRP, 8)); S(ioctl(s, TIOCGPGRP, 8));
  c = CHILD(S(ioctl(s, TIOCSCTTY, 0)); setsid(); S(ioctl(s, TIOCGPGRP, &n)); n = getpid(); S(ioctl(s, TIOCSPGRP, &n)); S(ioctl(s, TIOCSCTTY, 0)); S(ioctl(s, TIOCSCTTY, 2)); char q = 'q'; S(ioctl(s2, TIOCSTI, &q));
    syscall(203, 1000, 1000); S(ioctl(s, TIOCSCTTY, 1)); S(ioctl(s2, TIOCSTI, &q)); S(ioctl(s2, TIOCSCTTY, 0)); S(ioctl(s2, TIOCGSID, &n)); printf("%d\n", n == getpid()); S(syscall(111))); reap();
  S(ioctl(s2, TIOCGSID, &n)); S(ioctl(m2, TIOCGPGRP, &n)); printf("%d\n", n);
  c = CHILD(setsid(); S(ioctl(s, TIOCSCTTY, 1)); S(ioctl(s, TIOCGSID, &n)); printf("%d\n", n == getpid())); reap(); S(open("/dev/tty", O_RDWR)); S(ioctl(s, TIOCGSID, &n));
  S(ioctl(s, TIOCSCTTY, 0)); S(close(open("/dev/tty", O_RDWR)) == 0);
  c = CHILD(syscall(57, 0, 0); SET(t.lflag |= 0x100); printf("no\n")); S(waitpid(c, &st, 2) == c); printf("%x\n", st); kill(c, SIGKILL); reap();
  c = CHILD(struct sigaction i = {SIG_IGN}; sigaction(SIGTTOU, &i, 0); syscall(57, 0, 0); SET(t.lflag |= 0x100); S(write(s, "w", 1)); S(ioctl(s, TCFLSH, 2))); reap();
  c = CHILD(sigset_t b; sigemptyset(&b); sigaddset(&b, SIGTTOU); sigaddset(&b, SIGTTIN); sigprocmask(0, &b, 0); syscall(57, 0, 0); S(write(s, "v", 1)); S(read(s, buffer, 1))); reap();
  c = CHILD(CHILD(ms(40); syscall(57, 0, 0); ms(20); S(read(s, buffer, 1)); S(write(s, "u", 1)); SET())); reap(); ms(120); SET();
  for (int i = 0; i < 3; i++) { n = 99; S(ioctl(i == 0 ? m : i == 1 ? s : m2, TIOCGPGRP, &n)); printf("%d\n", n == getpid()); }
  close(m2); S(ioctl(s2, TCGETS, &got)); n = 1; S(ioctl(s2, TIOCSPGRP, &n)); S(ioctl(s2, FIONREAD, &n)); S(read(s2, buffer, 1)); S(write(s2, buffer, 1)); P(s2); S(close(s2));
  m2 = open("/dev/ptmx", O_RDWR | 0400); S(slave(m2, 0400) > 0); S(ioctl(s, TIOCNOTTY, 0)); S(ioctl(s, TIOCGSID, &n)); S(open("/dev/tty", O_RDWR)); S(ioctl(s, TIOCNOTTY, 0)); S(syscall(111));
}
int main() {
  setsid(); signal(SIGHUP, hit); signal(SIGINT, hit); signal(SIGCONT, hit);
  m = open("/dev/ptmx", O_RDWR | 0400); s = slave(m, 0400); ioctl(s, TCGETS, &tio);
  packets(); SET(); EMPTY(m); EMPTY(s);
  modes(); SET(); EMPTY(m); EMPTY(s);
  locks(); SET(); EMPTY(m); EMPTY(s);
  lines(); SET(); EMPTY(m); EMPTY(s);
  controls();
  return 0;
}
