/* POSIX message queues */
#include "calls.h"
#define mq_open(n, f, m, a) syscall(277, n, f, m, a)
#define mq_send(q, b, n, p) syscall(279, q, b, n, p, 0)
#define mq_receive(q, b, n, p) syscall(280, q, b, n, p, 0)
struct mq_attr { long flags, maxmsg, msgsize, curmsgs, unused[4]; };
static struct mq_attr at(int number, int size) { return (struct mq_attr){0, number, size}; }
static char buffer[9000]; static unsigned prio; static int q, value;
  static void told(int number, siginfo_t *info, void *context) { hits++; value = ((int *)info)[5];
  printf("signal %d code %d value %d\n", number, info->si_code, value); }
#define R(n) { prio = 99; memset(buffer, 0, 9000); S(mq_receive(q, buffer, n, &prio)); printf("  %s %u\n", buffer, prio); }
#define A(q) { struct mq_attr a = {0}; S(syscall(282, q, 0, &a)); printf("  %d %d %d %d\n", a.flags, a.maxmsg, a.msgsize, a.curmsgs); }
int main() {
  struct mq_attr a = at(3, 20); struct timespec ts; syscall(278, "tk_q");
  S(mq_open("tk_q", O_RDWR, 0, 0)); S(mq_open("a/b", O_RDWR | O_CREAT, 0600, 0));
  S(mq_open("", O_RDWR | O_CREAT, 0600, 0)); S(mq_open(8, O_RDWR, 0, 0));
  memset(buffer, 'x', 300); S(mq_open(buffer, O_RDWR | O_CREAT, 0600, 0)); buffer[255] = 0;
  S(mq_open(buffer, O_RDWR, 0600, 0));
  a.maxmsg = 0; S(mq_open("tk_q", O_RDWR | O_CREAT, 0600, &a)); a = at(-1, 5);
  S(mq_open("tk_q", O_RDWR | O_CREAT, 0600, &a)); a = at(1, 0);
  S(mq_open("tk_q", O_RDWR | O_CREAT, 0600, &a));
  a = at(65537, 5); S(mq_open("tk_q", O_RDWR | O_CREAT, 0600, &a)); a = at(3, 1 << 25);
  S(mq_open("tk_q", O_RDWR | O_CREAT, 0600, &a)); S(mq_open("tk_q", O_RDWR | O_CREAT, 0600, 8));
  S(mq_open("tk_q", 3 | O_CREAT, 0600, 0)); S(mq_send(3, "x", 1, 0)); S(close(3)); S(syscall(278, "tk_q"));
  a = at(3, 20); q = Z(mq_open("tk_q", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a)); A(q);
  S(mq_open("tk_q", O_RDWR | O_CREAT | 0200, 0600, &a)); S(fcntl(q, F_GETFD));
  S(fcntl(q, F_GETFL) & 04003);
  R(20); S(mq_send(q, "low", 4, 1)); S(mq_send(q, "high", 5, 7)); S(mq_send(q, "low2", 5, 1));
  S(mq_send(q, "no", 3, 1)); A(q); S(mq_send(q, "x", 1, 32768)); S(mq_send(q, buffer, 21, 0));
  S(mq_send(q, 8, 2, 0)); S(mq_send(99, "x", 1, 0)); S(mq_send(1, "x", 1, 0));
  R(19); R(20); R(20); R(100); R(20); S(mq_send(q, "", 0, 0)); R(20); S(mq_send(q, "max", 4, 32767)); R(20);
  struct pollfd p = {q, POLLIN | POLLOUT}; S(poll(&p, 1, 0)); printf("%x\n", p.revents);
  S(mq_send(q, "1", 2, 0)); S(poll(&p, 1, 0)); printf("%x\n", p.revents); S(mq_send(q, "2", 2, 0));
  S(mq_send(q, "3", 2, 0)); S(poll(&p, 1, 0)); printf("%x\n", p.revents);
  a = at(9, 9); a.flags = 1; S(syscall(282, q, &a, 0)); a.flags = 0; S(syscall(282, q, &a, &a));
  printf("%d %d\n", a.flags, a.maxmsg); A(q); S(syscall(282, 1, 0, &a)); S(syscall(282, 99, 0, &a));
  clock_gettime(CLOCK_REALTIME, &ts); ts.tv_sec++; ts.tv_nsec = 1000000000;
  S(syscall(279, q, "x", 1, 0, &ts)); ts.tv_nsec = 0; ts.tv_sec = -1; S(syscall(279, q, "x", 1, 0, &ts));
  ts.tv_sec = 1; S(syscall(279, q, "x", 1, 0, &ts)); clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += 20000000; if (ts.tv_nsec > 999999999) ts.tv_nsec -= 1000000000, ts.tv_sec++;
  S(syscall(279, q, "x", 1, 0, &ts));
  CHILD(ms(30); mq_receive(q, buffer, 20, 0)); S(mq_send(q, "4", 2, 9)); reap(); R(20); R(20); R(20); CHILD(for (int i = 0; i < 2; i++) { int n = mq_receive(q, buffer, 20, &prio); ms(15); printf("child %d %s %u\n", n, buffer, prio); });
  ms(30); S(mq_send(q, "handed", 7, 3)); ms(30); S(mq_send(q, "over", 5, 2)); reap();
  S(syscall(280, q, buffer, 20, 0, &ts));
  struct sigaction sa = {hit, 0}; sigaction(SIGUSR1, &sa, 0); int me = getpid();
  CHILD(ms(30); kill(me, SIGUSR1)); R(20); reap(); printf("hits %d\n", hits); S(read(q, buffer, 200));
  printf("%s", buffer);
  sa = (struct sigaction){(void *)told, SA_SIGINFO}; sigaction(SIGUSR2, &sa, 0);
  int ev[16] = {42, SIGUSR2, 0}; S(syscall(281, q, ev)); S(syscall(281, q, ev));
  CHILD(S(syscall(281, q, ev)); S(syscall(281, q, 0))); reap(); S(mq_send(q, "n", 2, 0));
  S(mq_send(q, "n", 2, 0)); R(20); R(20); S(mq_send(q, "n", 2, 0)); R(20);
  S(syscall(281, q, ev)); S(syscall(281, q, 0)); S(mq_send(q, "n", 2, 0)); R(20); ev[1] = 99;
  S(syscall(281, q, ev)); ev[1] = 0; ev[2] = 9; S(syscall(281, q, ev)); ev[2] = 1; S(syscall(281, q, ev));
  S(mq_send(q, "n", 2, 0)); R(20); S(syscall(281, 1, ev)); S(syscall(281, 99, 0)); S(syscall(281, q, 8));
  ev[1] = SIGUSR2; ev[2] = 0; S(syscall(281, q, ev)); int d = dup(q); close(d); S(mq_send(q, "n", 2, 0));
  R(20);
  CHILD(setuid(1000); S(mq_open("tk_q", O_RDWR, 0, 0)); S(syscall(278, "tk_q")); a = at(11, 10); S(mq_open("tk_r", O_RDWR | O_CREAT, 0600, &a)); a = at(10, 8193); S(mq_open("tk_r", O_RDWR | O_CREAT, 0600, &a)));
  reap();
  int r = S(mq_open("tk_q", O_RDONLY, 0, 0)) ; S(mq_send(r, "x", 1, 0));
  int w = S(mq_open("tk_q", O_WRONLY, 0, 0)); S(mq_receive(w, buffer, 20, 0)); S(syscall(278, "tk_q"));
  S(syscall(278, "tk_q")); S(mq_send(w, "last", 5, 0)); R(20); S(close(q)); S(mq_send(q, "x", 1, 0));
  S(lseek(w, 0, 0));
  return 0;
}
