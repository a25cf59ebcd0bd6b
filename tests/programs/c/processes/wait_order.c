// title: children end in another order than they began
#include <toykernel.h>
int main(void) {
  pid_t children[4]; int gates[4][2], status;
  for (int i = 0; i < 4; i++) {
    pipe(gates[i]);
    children[i] = fork();
    if (!children[i]) { char c; read(gates[i][0], &c, 1); _exit(10 + i); }
  }
  printf("%d\n", (int)waitpid(-1, &status, WNOHANG));
  for (int i = 3; i >= 0; i--) {
    write(gates[i][1], "x", 1);
    pid_t ended = wait(&status);
    printf("%d %d\n", ended == children[i], WEXITSTATUS(status));
  }
  return wait(&status) == -1 && errno == ECHILD;
}
