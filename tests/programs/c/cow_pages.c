/* title: a child writes every second page of 64; the parent's stay
 * expect stdout: child sum 96
 * expect stdout: parent sum 64
 */
#include <toykernel.h>
#define PAGES 64
static volatile char area[PAGES][4096] __attribute__((aligned(4096)));
static int sum(void) {
  int total = 0;
  for (int i = 0; i < PAGES; i++) total += area[i][100];
  return total;
}
int main(void) {
  for (int i = 0; i < PAGES; i++) area[i][100] = 1;
  if (fork() == 0) {
    for (int i = 0; i < PAGES; i += 2) area[i][100]++;
    printf("child sum %d\n", sum());
    fflush(stdout);
    _exit(0);
  }
  wait(0);
  printf("parent sum %d\n", sum());
  return 0;
}
