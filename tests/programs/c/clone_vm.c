// title: a process by clone shares memory, and its function's value is its status
// expect stdout: value 42, status 7
#include <toykernel.h>
static volatile int value;
static char stack[16384] __attribute__((aligned(16)));
static int child(void *argument) {
  value = *(int *)argument;
  return 7;
}
int main(void) {
  int status, number = 42;
  pid_t pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, &number);
  waitpid(pid, &status, 0);
  printf("value %d, status %d\n", value, WEXITSTATUS(status));
  return 0;
}
