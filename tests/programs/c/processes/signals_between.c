// title: parent and child count signals of each other
#include <toykernel.h>
static volatile sig_atomic_t seen;
static void count(int number) { seen += number == SIGUSR1; }
int main(void) {
  sigset_t blocked, none;
  sigemptyset(&none), sigemptyset(&blocked), sigaddset(&blocked, SIGUSR1);
  signal(SIGUSR1, count);
  sigprocmask(SIG_BLOCK, &blocked, 0);
  pid_t parent = getpid(), child = fork(), other = child ? child : parent;
  for (int round = 0; round < 5; round++) {
    if (child) kill(other, SIGUSR1);
    while (seen <= round) sigsuspend(&none);
    if (!child) kill(other, SIGUSR1);
  }
  if (!child) _exit(seen);
  int status;
  waitpid(child, &status, 0);
  printf("%d %d\n", (int)seen, WEXITSTATUS(status));
  return 0;
}
