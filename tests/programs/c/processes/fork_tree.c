// title: a tree of forks; each adds up what its children return
#include <toykernel.h>
static int grow(int depth) {
  int sum = 1;
  if (depth)
    for (int i = 0; i < 2; i++) {
      int status = 0;
      pid_t child = fork();
      if (!child) _exit(grow(depth - 1));
      waitpid(child, &status, 0);
      sum += WEXITSTATUS(status);
    }
  return sum;
}
int main(void) {
  int count = grow(3);
  printf("%d\n", count);
  return count;
}
