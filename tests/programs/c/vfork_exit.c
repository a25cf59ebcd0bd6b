// title: vfork's child runs first, in the parent's memory
// expect stdout: seen 5, status 3
#include <toykernel.h>
static volatile int seen;
int main(void) {
  int status;
  pid_t pid = vfork();
  if (pid == 0) {
    seen = 5;
    _exit(3);
  }
  waitpid(pid, &status, 0);
  printf("seen %d, status %d\n", seen, WEXITSTATUS(status));
  return 0;
}
