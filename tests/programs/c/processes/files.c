// title: a file is written, read from the middle, shared by a child, and appended to
#include <toykernel.h>
int main(void) {
  char line[32] = {0}; const char *name = "/tmp/toykernel-c-files";
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(fd, "0123456789abcdef", 16);
  printf("%d ", (int)lseek(fd, 4, SEEK_SET));
  read(fd, line, 5);
  if (!fork()) { lseek(fd, 12, SEEK_SET); _exit(0); }
  wait(0);
  int n = read(fd, line + 5, 20), more = open(name, O_WRONLY | O_APPEND);
  write(more, "END", 3);
  printf("%s %d %d\n", line, n, (int)lseek(fd, 0, SEEK_END));
  close(fd), close(more);
  return unlink(name) == 0 && open(name, O_RDONLY) < 0 && errno == ENOENT;
}
