/* dnotify: signals for what happens in a directory, by kind, once or each time, and what ends them. */
#include "calls.h"
#include "rows.h"
static volatile int told, from; /* a handler writes them */
static void tell(int sig, int *info) { told++; from = info[2] == 128 ? -1 : info[4]; } /* si_code, si_fd */
#define T(...) { told = 0; __VA_ARGS__; put(told); if (told) put(from); }
static void make(const char *name) { close(open(name, 0102, 0600)); }
int main() {
  char dir[40], c; strcpy(dir, own("/tmp/dnotify-")); struct sigaction a = {(void *)tell, SA_SIGINFO}; sigaction(29, &a, 0); sigaction(40, &a, 0); syscall(39, dir, 0700); syscall(12, dir); syscall(39, "d", 0700); syscall(39, "e", 0700); syscall(39, "d/sub", 0700);
  int d = open("d", 0), p[2], f; pipe(p);
  EACH(mask, 1, 2, 4, 8, 16, 32, 0x40, 63) {
    start("kinds"); put(mask); C(fcntl(d, 1026, mask | 0x80000000)); C(fcntl(d, 10, 40)); T(f = open("d/a", 0102, 0600)); T(write(f, "x", 1)); T(lseek(f, 0, 0)); T(read(f, &c, 1)); T(syscall(15, "d/a", 0644)); T(syscall(38, "d/a", "d/b")); T(syscall(38, "d/b", "e/b")); T(syscall(38, "e/b", "d/c")); T(unlink("d/c")); T(write(f, "z", 1)); T(close(f)); T(syscall(15, "d", 0755)); T(syscall(320, -100, "d/sub", 0, 0)); T(syscall(39, "d/m", 0700)); T(syscall(40, "d/m")); T(syscall(83, "q", "d/s")); T(unlink("d/s")); T(syscall(15, "d/sub", 0700)); static char b[512]; lseek(d, 0, 0); T(syscall(220, d, b, 512)); C(fcntl(d, 1026, 0)); T(make("d/e")); unlink("d/e"); done();
  }
  start("once"); C(fcntl(d, 10, 0)); C(fcntl(d, 1026, 4)); T(make("d/e")); unlink("d/e"); T(make("d/e")); C(fcntl(d, 1026, 4)); C(fcntl(d, 1026, 8)); T(unlink("d/e")); T(make("d/e")); T(unlink("d/e")); done();
  start("ends"); C(fcntl(d, 1026, 0x80000004)); close(syscall(41, d)); T(make("d/e")); unlink("d/e"); C(fcntl(d, 1026, 0x80000004)); put(fcntl(d, 9, 0) == getpid()); CHILD(close(d); syscall(1, 0)), wait(0); T(make("d/e")); unlink("d/e"); C(fcntl(d, 1026, 0x80000000)); T(make("d/e")); unlink("d/e"); C(fcntl(d, 1026, 0x80000004)); C(fcntl(d, 8, 0)); T(make("d/e")); unlink("d/e"); int other = open("d", 0); C(fcntl(other, 1026, 0x80000004)); T(make("d/e")); unlink("d/e"); C(fcntl(d, 8, getpid())); T(make("d/e")); put(told); unlink("d/e"); close(d); T(make("d/e")); unlink("d/e"); done();
  start("owner"); int e = open("d", 0), pid = fork(); if (!pid) for (;;) pause(); C(fcntl(e, 8, pid)); C(fcntl(e, 1026, 0x80000004)); put(fcntl(e, 9, 0) == pid); T(make("d/e")); unlink("d/e"); kill(pid, 9); wait(0); close(e); done();
  start("errors"); C(fcntl(p[0], 1026, 1)); C(fcntl(p[0], 1026, 0)); C(fcntl(99, 1026, 1)); C(fcntl(open("d", 010000000), 1026, 1)); int on = open("/proc/sys/fs/dir-notify-enable", 0); C(read(on, &c, 1)); put(c); done();
  syscall(40, "d/sub"); syscall(40, "d"); syscall(40, "e"); syscall(12, "/"); syscall(40, dir); return 0;
}
