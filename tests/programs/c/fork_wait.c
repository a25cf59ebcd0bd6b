// title: three children, each with its own copy of a variable
// expect stdout: child 0: 10
// expect stdout: child 1: 11
// expect stdout: child 2: 12
// expect stdout: parent: 10, statuses 1 2 3
#include <toykernel.h>
static int shared = 10;
int main(void) {
  int statuses[3];
  for (int i = 0; i < 3; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      shared += i;
      printf("child %d: %d\n", i, shared);
      fflush(stdout);
      _exit(i + 1);
    }
    waitpid(pid, &statuses[i], 0);
  }
  printf("parent: %d, statuses %d %d %d\n", shared, WEXITSTATUS(statuses[0]), WEXITSTATUS(statuses[1]),
         WEXITSTATUS(statuses[2]));
  return 0;
}
