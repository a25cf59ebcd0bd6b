// title: how children die: division, null, trap, abort, an illegal instruction
#include <toykernel.h>
static volatile int zero;
static void divide(void) { zero = 5 / zero; }
static void null(void) { *(volatile int *)zero = 1; }
static void trap(void) { __asm__ volatile("int3"); }
static void bad(void) { __builtin_trap(); }
int main(void) {
  void (*ways[])(void) = {divide, null, trap, abort, bad};
  for (int i = 0; i < 5; i++) {
    int status;
    pid_t child = fork();
    if (!child) ways[i](), _exit(0);
    waitpid(child, &status, 0);
    printf("%d ", WTERMSIG(status));
  }
  printf("\n");
  return 0;
}
