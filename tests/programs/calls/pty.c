/* pseudo-terminals: line discipline, modes, job control, hanging up */
#include "calls.h"
#define ioctl(f, r, a) syscall(54, f, r, a)
  enum { TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCGETA, TCSBRK = 0x5409, TCXONC, TCFLSH, TIOCSCTTY = 0x540e, TIOCGPGRP, TIOCSPGRP, TIOCSTI = 0x5412, TIOCGWINSZ, TIOCSWINSZ, FIONREAD = 0x541b, TIOCPKT = 0x5420, TIOCNOTTY = 0x5422, TIOCGETD = 0x5424, TIOCGSID = 0x5429 };
#define TIOCGPTN 0x80045430
#define TIOCSPTLCK 0x40045431
struct termios { unsigned iflag, oflag, cflag, lflag; unsigned char line, cc[19]; } tio, raw;
static char buffer[5000], name[32]; static int m, s, n;
  static char *shown(int length) { static char text[200]; char *to = text;
  for (int i = 0; i < length && i < 60; i++) { unsigned char c = buffer[i];
  if (c < 32 || c == 127) *to++ = '^', *to++ = c ^ 64; else *to++ = c; } *to = 0; return text; }
#define R(f, size) { int r_ = S(read(f, buffer, size)); printf("  '%s'\n", shown(r_)); }
#define IN(text) (write(m, text, strlen(text)), ms(4))
#define ECHO_ { buffer[0] = 0; fcntl(m, F_SETFL, O_NONBLOCK); int r_ = read(m, buffer, 4000); fcntl(m, F_SETFL, 0); printf("  echo '%s'\n", r_ > 0 ? shown(r_) : ""); }
#define P(f) { struct pollfd p_ = {f, 7}; S(poll(&p_, 1, 0)); printf("  %x\n", p_.revents); }
int main() {
  setsid(); signal(SIGHUP, hit); signal(SIGINT, hit); signal(SIGTTOU, hit);
  m = S(open("/dev/ptmx", O_RDWR | 0400)) ; S(open("/dev/tty", O_RDWR)); Z(ioctl(m, TIOCGPTN, &n));
  strcpy(name, "/dev/pts/"); char *to = name + 9; number(&to, n, 10); *to = 0;
  S(open(name, O_RDWR | 0400)); int off = 0; S(ioctl(m, TIOCSPTLCK, &off));
  s = S(open(name, O_RDWR | 0400));
  S(ioctl(s, TCGETS, &tio));
  printf("%x %x %x %x %d %d %d %d\n", tio.iflag, tio.oflag, tio.cflag, tio.lflag, tio.line, tio.cc[0], tio.cc[4], tio.cc[6]);
  S(ioctl(m, TCGETS, &raw)); printf("%x\n", raw.lflag); S(ioctl(0, TCGETS, &raw)); S(ioctl(s, TCGETS, 8));
  S(ioctl(s, 0x1234, 0)); S(ioctl(s, TIOCGETD, &n)); printf("%d\n", n); S(lseek(s, 0, 0));
  P(s); P(m); IN("hello\n"); ECHO_; S(ioctl(s, FIONREAD, &n)); printf("%d\n", n); P(s); R(s, 3);
  R(s, 100); IN("one\ntwo\nthr"); ECHO_; R(s, 100); R(s, 100); fcntl(s, F_SETFL, O_NONBLOCK); R(s, 100);
  IN("ee\n"); R(s, 100); ECHO_; IN("ab\x7f" "c\n"); R(s, 100); ECHO_; IN("foo bar\x17" "baz\n");
  R(s, 100); ECHO_; IN("junk\x15" "ok\n"); R(s, 100); ECHO_; IN("a\x16\x03" "b\n"); R(s, 100); ECHO_;
  IN("part\x04"); R(s, 100); IN("\x04"); R(s, 100); ECHO_; IN("cr\r"); R(s, 100); ECHO_;
  IN("tab\tx\x7f\x7f" "y\n"); R(s, 100); ECHO_; IN("abc\x12" "d\n"); R(s, 100); ECHO_;
  S(write(s, "line\nnext\ttab\r", 14)); R(m, 100); raw = tio; raw.lflag &= ~(2 | 8); raw.oflag = 0;
  raw.cc[6] = 1; raw.cc[5] = 0; IN("left"); S(ioctl(s, TCSETS, &raw)); R(s, 100); ECHO_;
  IN("r\x04\x7f\n"); R(s, 100); S(write(s, "x\ny", 3)); R(m, 100); raw.cc[6] = 0; ioctl(s, TCSETS, &raw);
  fcntl(s, F_SETFL, 0); R(s, 100); raw.cc[5] = 1; ioctl(s, TCSETS, &raw); R(s, 100); raw.cc[6] = 3;
  raw.cc[5] = 0; ioctl(s, TCSETS, &raw); CHILD(IN("ab"); ms(20); IN("cd")); R(s, 100); reap(); P(s);
  IN("z"); P(s); S(ioctl(s, TCFLSH, 0)); P(s); S(ioctl(s, TCFLSH, 9)); S(ioctl(s, TCSETS, &tio));
  IN("gone"); S(ioctl(s, TCSETSF, &tio)); IN("\n"); R(s, 100); ECHO_;
  short size[4] = {24, 80, 0, 0}, got[4]; S(ioctl(s, TIOCGWINSZ, got)); printf("%d %d\n", got[0], got[1]);
  S(ioctl(m, TIOCSWINSZ, size)); S(ioctl(s, TIOCGWINSZ, got)); printf("%d %d\n", got[0], got[1]);
  IN("\x13"); fcntl(s, F_SETFL, O_NONBLOCK); S(write(s, "held", 4)); IN("\x11"); S(write(s, "free", 4));
  R(m, 100); fcntl(s, F_SETFL, 0);
  S(ioctl(s, TIOCGPGRP, &n)); S(ioctl(s, TIOCGSID, &n)); S(ioctl(s, TIOCNOTTY, 0));
  S(ioctl(s, TIOCSCTTY, 0)); S(ioctl(s, TIOCGPGRP, &n)); printf("%d\n", n == getpid());
  S(ioctl(m, TIOCGPGRP, &n)); printf("%d\n", n == getpid()); S(ioctl(s, TIOCGSID, &n));
  printf("%d\n", n == getpid()); int tty = S(open("/dev/tty", O_RDWR)); S(write(tty, "via tty\n", 8));
  R(m, 100); close(tty); n = 999999; S(ioctl(s, TIOCSPGRP, &n)); n = -1; S(ioctl(s, TIOCSPGRP, &n));
  IN("typed\x03"); printf("hits %d\n", hits); ECHO_; IN("after\n"); R(s, 100); ECHO_; hits = 0;
  int c = CHILD(struct sigaction d = {0}; sigaction(SIGTTOU, &d, 0); sigaction(SIGINT, &d, 0); syscall(57, 0, 0); n = getpid(); int r = ioctl(s, TIOCSPGRP, &n); printf("child took it: %d\n", r); read(s, buffer, 10));
  int st; S(waitpid(c, &st, 2) == c); printf("%x\n", st); S(syscall(57, c, c));
  S(ioctl(s, TIOCSPGRP, &c)); kill(c, SIGCONT); ms(30); IN("\x1a"); S(waitpid(c, &st, 2) == c);
  printf("%x\n", st); ECHO_; kill(c, SIGCONT); IN("\x03"); S(waitpid(c, &st, 0) == c); printf("%x\n", st);
  ECHO_; S(read(s, buffer, 0)); n = getpid(); struct sigaction ign = {SIG_IGN};
  sigaction(SIGTTOU, &ign, 0); S(ioctl(s, TIOCSPGRP, &n));
  c = CHILD(syscall(57, 0, 0); struct sigaction i = {SIG_IGN}; sigaction(SIGTTIN, &i, 0); S(read(s, buffer, 10)); i.sa_handler = 0; sigaction(SIGTTIN, &i, 0); read(s, buffer, 10));
  ms(60); S(waitpid(c, &st, 2) == c); printf("%x\n", st); kill(c, SIGKILL); waitpid(c, &st, 0); raw = tio;
  raw.lflag |= 0x100; ioctl(s, TCSETS, &raw);
  c = CHILD(struct sigaction d = {0}; sigaction(SIGTTOU, &d, 0); syscall(57, 0, 0); write(s, "bg", 2));
  S(waitpid(c, &st, 2) == c); printf("%x\n", st); kill(c, SIGKILL); waitpid(c, &st, 0);
  ioctl(s, TCSETS, &tio);
  n = 1; S(ioctl(m, TIOCPKT, &n)); write(s, "pk", 2); R(m, 100); n = 0; ioctl(m, TIOCPKT, &n);
  char q = 'Q'; S(ioctl(s, TIOCSTI, &q)); IN("\n"); R(s, 100); ECHO_; S(close(s)); R(m, 100); P(m);
  s = S(open(name, O_RDWR | 0400)); P(m); hits = 0; S(close(m)); printf("hits %d\n", hits); R(s, 10);
  S(write(s, "x", 1)); P(s); S(open(name, O_RDWR)); S(close(s)); S(open("/dev/tty", O_RDWR));
  return 0;
}
