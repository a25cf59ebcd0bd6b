// title: a write through a null pointer ends the program
// expect stdout: before
// expect signal: SIGSEGV
#include <toykernel.h>
int *volatile nowhere;
int main(void) {
  printf("before\n");
  fflush(stdout);
  *nowhere = 1;
  printf("after\n");
  return 0;
}
