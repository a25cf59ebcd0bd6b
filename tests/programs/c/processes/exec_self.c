// title: a program runs itself with other arguments
#include <toykernel.h>
int main(int argc, char **argv) {
  if (argc > 1) { printf("%s %s\n", argv[1], getenv("DEPTH")); return 40 + argv[1][0] - '0'; }
  char *arguments[] = {argv[0], "2 again", 0}, *variables[] = {"DEPTH=one", 0};
  pid_t child = fork();
  int status;
  if (!child) { execve(argv[0], arguments, variables); _exit(99); }
  waitpid(child, &status, 0);
  printf("%d\n", WEXITSTATUS(status));
  return 0;
}
