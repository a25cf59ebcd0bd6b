// title: both sides of a fork write to the same pages
#include <toykernel.h>
#define PAGES 6
static char area[PAGES * 4096]; 
int main(void) {
  int status;
  for (int i = 0; i < PAGES; i++) area[i * 4096] = i;
  pid_t child = fork();
  for (int i = child ? 0 : 1; i < PAGES; i += 2) area[i * 4096] += child ? 10 : 20;
  int sum = 0;
  for (int i = 0; i < PAGES; i++) sum += area[i * 4096];
  if (!child) _exit(sum);
  waitpid(child, &status, 0);
  printf("%d %d\n", sum, WEXITSTATUS(status));
  return 0;
}
