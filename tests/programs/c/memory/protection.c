// title: pages lose and regain their permissions
#include <toykernel.h>
static int dies(void (*what)(volatile char *), volatile char *at) {
  int status;
  pid_t child = fork();
  if (!child) what(at), _exit(0);
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}
static void reads(volatile char *at) { (void)*at; }
static void writes(volatile char *at) { *at = 1; }
int main(void) {
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page[0] = 7;
  mprotect(page, 4096, PROT_READ);
  printf("%d %d ", dies(reads, page), dies(writes, page));
  mprotect(page, 4096, PROT_NONE);
  printf("%d %d ", dies(reads, page), dies(writes, page + 4096));
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
  printf("%d %d\n", dies(writes, page), page[0]);
  munmap(page + 4096, 4096);
  return dies(reads, page + 4096);
}
