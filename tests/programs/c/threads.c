// title: four threads by clone add to one counter, under a lock
// expect stdout: counter 4000
#include <toykernel.h>
static int counter, lock;
static char stacks[4][16384] __attribute__((aligned(16)));
static pid_t alive[4];
static int work(void *argument) {
  for (int i = 0; i < 1000; i++) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
    counter++;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
  }
  return *(int *)argument;
}
int main(void) {
  int zero = 0;
  for (int i = 0; i < 4; i++) {
    alive[i] = 1;
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                CLONE_CHILD_CLEARTID;
    if (clone(work, stacks[i] + sizeof stacks[i], flags, &zero, (pid_t *)0, (void *)0, &alive[i]) < 0) return 1;
  }
  for (int i = 0; i < 4; i++)
    for (pid_t now; (now = __atomic_load_n(&alive[i], __ATOMIC_ACQUIRE));)
      syscall(__NR_futex, &alive[i], 0 /* FUTEX_WAIT */, now, (void *)0);
  printf("counter %d\n", counter);
  return 0;
}
