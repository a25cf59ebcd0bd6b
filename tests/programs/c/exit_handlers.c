// title: atexit runs backwards, errors have names
// expect stdout: Bad file descriptor
// expect stdout: No child processes
// expect stdout: second
// expect stdout: first
// expect stderr: close: Bad file descriptor
// expect status: 9
#include <toykernel.h>
static void first(void) { printf("first\n"); }
static void second(void) { printf("second\n"); }
int main(void) {
  atexit(first);
  atexit(second);
  close(77);
  printf("%s\n", strerror(errno));
  wait(0);
  printf("%s\n", strerror(errno));
  close(77);
  perror("close");
  exit(9);
}
