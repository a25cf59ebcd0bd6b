// title: three stages of a pipeline
#include <toykernel.h>
static void stage(int from, int to, int by) {
  char c;
  while (read(from, &c, 1) == 1) c += by, write(to, &c, 1);
}
int main(void) {
  int first[2], second[2]; char line[16];
  pipe(first), pipe(second);
  if (!fork()) { close(first[1]), close(second[0]); stage(first[0], second[1], 1); _exit(0); }
  close(first[0]), close(second[1]);
  write(first[1], "HAL 9000", 8), close(first[1]);
  int n = 0, got;
  while ((got = read(second[0], line + n, sizeof line - n)) > 0) n += got;
  wait(0);
  printf("%.*s\n", n, line);
  return n;
}
