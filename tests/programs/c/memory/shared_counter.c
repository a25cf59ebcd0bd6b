// title: children add to shared memory one after the other
#include <toykernel.h>
int main(void) {
  volatile int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *private = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 1; i <= 4; i++) {
    if (!fork()) { shared[i] = shared[i - 1] + i; private[0]++; _exit(0); }
    wait(0);
  }
  printf("%d %d\n", shared[4], private[0]);
  return munmap((void *)shared, 4096);
}
