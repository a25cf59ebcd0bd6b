// title: a child sends numbers through a pipe
// expect stdout: 0 1 4 9 16 25 36 49 64 81
// expect status: 10
#include <toykernel.h>
int main(void) {
  int fds[2], n = 0, value;
  pipe(fds);
  if (!fork()) {
    close(fds[0]);
    for (int i = 0; i < 10; i++) value = i * i, write(fds[1], &value, sizeof value);
    _exit(0);
  }
  close(fds[1]);
  while (read(fds[0], &value, sizeof value) == sizeof value) printf(n++ ? " %d" : "%d", value);
  printf("\n");
  wait(0);
  return n;
}
