/* futex: bitsets, requeue, wake-op, locks that inherit priority, robust lists, waitv */
#include "calls.h"
#define futex(a, op, v, t, b, c) syscall(240, a, op, v, t, b, c)
  enum { WAIT, WAKE, REQUEUE = 3, CMP_REQUEUE, WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_BITSET, WAKE_BITSET, WAIT_REQUEUE_PI, CMP_REQUEUE_PI, PRIVATE = 128, CLOCK = 256 };
static volatile unsigned *w; static int *order;
static int tid(unsigned word) { return word & 0x3fffffff; }
  static void say(const char *what, int mine) { printf("%s %s%s%s\n", what, w[0] & 0x80000000 ? "waiters " : "", w[0] & 0x40000000 ? "died " : "", tid(w[0]) == 0 ? "free" : tid(w[0]) == mine ? "mine" : "another's");
  }
static void pri(int p) { syscall(156, 0, 1, &p); }
int main() {
  w = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0); order = (int *)(w + 100);
  struct timespec t = {0, 20000000}, bad = {0, 1000000000}; int me = getpid();
  S(futex(w, WAIT, 1, 0, 0, 0)); S(futex(w, WAIT, 0, &t, 0, 0)); S(futex(w, WAIT, 0, &bad, 0, 0));
  S(futex(w, WAIT, 0, 8, 0, 0)); S(futex((char *)w + 1, WAIT, 0, 0, 0, 0)); S(futex(8, WAIT, 0, 0, 0, 0));
  S(futex(0xfffffff0, WAIT, 0, 0, 0, 0)); S(futex(w, WAKE, 1, 0, 0, 0)); S(futex(w, 2, 1, 0, 0, 0));
  S(futex(w, 99, 1, 0, 0, 0)); S(futex(w, WAKE | CLOCK, 1, 0, 0, 0));
  S(futex(w, WAIT_BITSET, 0, &t, 0, 0)); S(futex(w, WAKE_BITSET, 0, 0, 0, 0));
  S(futex(w, WAIT_BITSET | CLOCK, 0, &t, 0, -1)); S(futex(w, WAIT_BITSET, 0, &t, 0, -1));
  S(futex(w, CMP_REQUEUE, -1, -1, w + 1, 0)); S(futex(w, CMP_REQUEUE, 1, -1, w + 1, 0));
  S(futex(w, CMP_REQUEUE, 1, 1, w + 1, 7)); S(futex(w, REQUEUE, -1, 1, w + 1, 0));
  S(futex(w, REQUEUE, 1, 1, (char *)w + 5, 0)); S(futex(w, CMP_REQUEUE, 1, 1, w + 1, 0));
  for (int i = 0; i < 3; i++) CHILD(futex(w, WAIT_BITSET, 0, 0, 0, 1 << i)); ms(30);
  S(futex(w, WAKE_BITSET, 9, 0, 0, 8)); S(futex(w, WAKE_BITSET, 9, 0, 0, 2));
  S(futex(w, REQUEUE, 1, 1, w + 1, 0)); S(futex(w, WAKE, 9, 0, 0, 0)); S(futex(w + 1, WAKE, 9, 0, 0, 0));
  reap();
  w[1] = 5; CHILD(futex(w, WAIT, 0, 0, 0, 0)); CHILD(futex(w + 1, WAIT, 5, 0, 0, 0)); ms(30);
  S(futex(w, WAKE_OP, 1, 1, w + 1, 1 << 28 | 3 << 12 | 0 << 24 | 5)); printf("%u\n", w[1]); reap();
  for (int op = 0; op < 6; op++) { w[2] = 12; S(futex(w, WAKE_OP, 1, 1, w + 2, op << 28 | 10 << 12 | 1));
  printf("%d %u\n", op, w[2]); } w[2] = 1;
  S(futex(w, WAKE_OP, 1, 1, w + 2, 0u << 28 | 0x8u << 28 | 4 << 12)); printf("%u\n", w[2]);
  S(futex(w, WAKE_OP, 1, 1, w + 2, 9 << 24)); S(futex(w, WAKE_OP, 1, 1, w + 2, 0x1fff << 12 & 0xfff000));
  printf("%u\n", w[2]);
  int pr[3] = {2, 3, 5};
  for (int i = 0; i < 3; i++) { CHILD(pri(pr[i]); futex(w, WAIT, 0, 0, 0, 0); order[order[9]++] = pr[i]);
  ms(20); } for (int i = 0; i < 3; i++) futex(w, WAKE, 1, 0, 0, 0), ms(20); reap();
  printf("woken %d %d %d\n", order[0], order[1], order[2]);
  S(futex(w, LOCK_PI, 0, 0, 0, 0)); say("locked", me); S(futex(w, LOCK_PI, 0, 0, 0, 0));
  S(futex(w, TRYLOCK_PI, 0, 0, 0, 0));
  CHILD(S(futex(w, TRYLOCK_PI, 0, 0, 0, 0)); S(futex(w, UNLOCK_PI, 0, 0, 0, 0)); S(futex(w, LOCK_PI, 0, &bad, 0, 0)); S(futex(w, LOCK_PI, 0, &t, 0, 0)));
  reap(); say("tried", me); S(futex(w, UNLOCK_PI, 0, 0, 0, 0)); say("unlocked", me);
  S(futex(w, UNLOCK_PI, 0, 0, 0, 0));
  S(futex(w, LOCK_PI, 0, 0, 0, 0));
  CHILD(S(futex(w, LOCK_PI, 0, 0, 0, 0)); say("child", getpid()); S(futex(w, UNLOCK_PI, 0, 0, 0, 0)); say("child", getpid()));
  ms(30); say("contended", me); S(futex(w, WAKE, 1, 0, 0, 0)); syscall(240, w, UNLOCK_PI); reap();
  say("after", me);
  w[0] = 0x3ffffff0; S(futex(w, LOCK_PI, 0, 0, 0, 0)); w[0] = 1234567;
  S(futex(w, TRYLOCK_PI, 0, 0, 0, 0)); w[0] = 0;
  unsigned head[3] = {(unsigned)head, 0, 0}; S(syscall(311, head, 8)); S(syscall(311, head, 12));
  unsigned *node = (unsigned *)w + 10;
  CHILD(unsigned list[3]; list[0] = (unsigned)node; list[1] = -40; list[2] = 0; node[0] = (unsigned)list; syscall(311, list, 12); w[0] = getpid() | 0x80000000; ms(40));
  CHILD(ms(20); S(futex(w, WAIT, w[0], 0, 0, 0)); say("robust", me)); reap(); say("robust after", me);
  w[0] = 0;
  CHILD(unsigned list[3]; list[0] = (unsigned)node | 1; list[1] = -40; list[2] = 0; node[0] = (unsigned)list; syscall(311, list, 12); futex(w, LOCK_PI, 0, 0, 0, 0); ms(60));
  ms(20); S(futex(w, LOCK_PI, 0, 0, 0, 0)); say("inherited", me); S(futex(w, UNLOCK_PI, 0, 0, 0, 0));
  say("given back", me); reap(); w[0] = 0;
  S(futex(w, WAIT_REQUEUE_PI, 0, &t, w, 0)); S(futex(w, WAIT_REQUEUE_PI, 1, &t, w + 4, 0)); t.tv_sec = 0;
  S(futex(w, WAIT_REQUEUE_PI, 0, &t, w + 4, 0)); S(futex(w, CMP_REQUEUE_PI, 2, 1, w + 4, 0));
  S(futex(w, CMP_REQUEUE_PI, 1, 1, w, 0)); S(futex(w, CMP_REQUEUE_PI, 1, 1, w + 4, 7));
  S(futex(w, CMP_REQUEUE_PI, 1, 1, w + 4, 0));
  for (int i = 0; i < 2; i++) CHILD(int r = futex(w, WAIT_REQUEUE_PI, 0, 0, w + 4, 0); printf("moved %d, %s\n", r, tid(w[4]) == getpid() ? "mine" : "not mine"); ms(20); futex(w + 4, UNLOCK_PI, 0, 0, 0, 0));
  ms(30); S(futex(w, WAKE, 1, 0, 0, 0)); S(futex(w, CMP_REQUEUE_PI, 1, 5, w + 5, 0));
  int n = futex(w, CMP_REQUEUE_PI, 1, 5, w + 4, 0); ms(60); printf("requeued %d\n", n); reap();
  printf("%u\n", w[4]);
  struct { u64 val, uaddr; unsigned flags, reserved;
  } v[3] = {{0, (unsigned long)w, 2, 0}, {0, (unsigned long)(w + 1), 2, 0}, {0, (unsigned long)(w + 2), 2, 0}};
  w[0] = w[1] = w[2] = 0; long long ts[2] = {0, 0}; S(syscall(449, v, 3, 0, ts, 1));
  S(syscall(449, v, 0, 0, 0, 0)); S(syscall(449, v, 129, 0, 0, 0)); S(syscall(449, v, 3, 1, 0, 0));
  S(syscall(449, 0, 3, 0, 0, 0)); S(syscall(449, v, 3, 0, ts, 5)); v[1].val = 9;
  S(syscall(449, v, 3, 0, 0, 0)); v[1].val = 0; CHILD(ms(20); futex(w + 1, WAKE, 1, 0, 0, 0));
  S(syscall(449, v, 3, 0, 0, 0)); reap(); v[2].flags = 3; S(syscall(449, v, 3, 0, 0, 0)); v[2].flags = 2;
  v[2].reserved = 1; S(syscall(449, v, 3, 0, 0, 0));
  struct sigaction sa = {hit, 0}; sigaction(SIGUSR1, &sa, 0); CHILD(ms(20); kill(me, SIGUSR1));
  S(futex(w, WAIT, 0, 0, 0, 0)); reap(); CHILD(ms(20); kill(me, SIGUSR1)); struct timespec five = {5, 0};
  S(futex(w, WAIT, 0, &five, 0, 0)); reap(); printf("hits %d\n", hits); long long far[2] = {0, 10000000};
  S(syscall(422, w, WAIT, 0, far));
  return 0;
}
