// title: a fault is caught and stepped over
#include <toykernel.h>
static void *back[5];
static volatile int caught;
static void on_fault(int number) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, number), sigprocmask(SIG_UNBLOCK, &set, 0);
  caught++;
  __builtin_longjmp(back, 1);
}
int main(void) {
  signal(SIGSEGV, on_fault);
  for (volatile int i = 0; i < 3; i++)
    if (!__builtin_setjmp(back)) *(volatile int *)(16 * i) = i;
  printf("%d\n", caught);
  return caught;
}
