// title: MAP_SHARED is shared over fork, MAP_PRIVATE is not
// expect stdout: shared 2, private 1
#include <toykernel.h>
int main(void) {
  int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int *own = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || own == MAP_FAILED) return 1;
  *shared = *own = 1;
  if (!fork()) {
    ++*shared, ++*own;
    _exit(0);
  }
  wait(0);
  printf("shared %d, private %d\n", *shared, *own);
  return munmap(shared, 4096) || munmap(own, 4096);
}
