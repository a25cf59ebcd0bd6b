/* Locks with priority inheritance whose holders wait for each other: who is told of the deadlock, and goes on. */
#include "calls.h"
enum { LOCK_PI = 6, UNLOCK_PI, TRYLOCK_PI, WAIT_REQUEUE_PI = 11, CMP_REQUEUE_PI };
static volatile int *w; /* 0 is a condition, the others are locks */
#define futex(at, op, value, time, at2, value3) syscall(240, w + (at), op, value, time, (at2) < 0 ? 0 : w + (at2), value3)
#define LOCK(n) S(futex(n, LOCK_PI, 0, 0, -1, 0))
#define UNLOCK(n) S(futex(n, UNLOCK_PI, 0, 0, -1, 0))
static void free_(void) { for (int i = 1; i < 8; i++) printf("%s ", w[i] ? "held" : "free"); printf("\n"); for (int i = 0; i < 8; i++) w[i] = 0; }

int main() {
  w = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int n = 1; n < 5; n++) { /* of n, each holds one and waits for the next, the last one closes the circle */
    printf("circle of %d\n", n);
    for (int i = 1; i < n; i++) CHILD(futex(i, LOCK_PI, 0, 0, -1, 0); ms(20 * i); int r = futex(i + 1, LOCK_PI, 0, 0, -1, 0); ms(100 * i); printf("%d of %d: %d\n", i, n, r); futex(i + 1, UNLOCK_PI, 0, 0, -1, 0); futex(i, UNLOCK_PI, 0, 0, -1, 0));
    LOCK(n); ms(20 * n + 20); LOCK(1); S(futex(1, TRYLOCK_PI, 0, 0, -1, 0)); UNLOCK(1); UNLOCK(n); reap(); free_();
  }
  printf("beside the circle\n"); /* who waits for one in a line of waiters, but holds nothing that it waits for, is not told */
  CHILD(futex(1, LOCK_PI, 0, 0, -1, 0); ms(100); futex(1, UNLOCK_PI, 0, 0, -1, 0)); ms(10);
  CHILD(futex(2, LOCK_PI, 0, 0, -1, 0); futex(1, LOCK_PI, 0, 0, -1, 0); ms(20); futex(1, UNLOCK_PI, 0, 0, -1, 0); futex(2, UNLOCK_PI, 0, 0, -1, 0)); ms(30);
  LOCK(3); LOCK(2); UNLOCK(2); UNLOCK(3); reap(); free_();
  for (int held = 0; held < 3; held++) { /* a sleeper at the condition is to be moved to a lock whose holder waits for the sleeper */
    printf("moved, %d\n", held); struct timespec late; clock_gettime(CLOCK_MONOTONIC, &late); late.tv_nsec += 400000000; if (late.tv_nsec >= 1000000000) late.tv_sec++, late.tv_nsec -= 1000000000;
    CHILD(if (held) futex(1, LOCK_PI, 0, 0, -1, 0); if (held == 2) futex(2, LOCK_PI, 0, 0, -1, 0); int r = futex(0, WAIT_REQUEUE_PI, 0, &late, 2, 0); printf("waited %d %d\n", r, r < 0 ? errno : 0); if (!r || held == 2) futex(2, UNLOCK_PI, 0, 0, -1, 0); if (held) futex(1, UNLOCK_PI, 0, 0, -1, 0));
    ms(30); if (held < 2) { CHILD(futex(2, LOCK_PI, 0, 0, -1, 0); futex(1, LOCK_PI, 0, 0, -1, 0); ms(50); futex(1, UNLOCK_PI, 0, 0, -1, 0); futex(2, UNLOCK_PI, 0, 0, -1, 0)); }
    ms(30); S(futex(0, CMP_REQUEUE_PI, 1, 5, 2, 0)); reap(); free_();
  }
  return 0;
}
