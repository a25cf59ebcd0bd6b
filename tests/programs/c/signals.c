// title: a handler runs, a child is killed, a blocked signal waits
// expect stdout: handled 1
// expect stdout: child killed by 9
// expect stdout: pending 1, handled 1
// expect stdout: handled 2
// expect stdout: from the same process: 1, handled 12
#include <toykernel.h>
static volatile sig_atomic_t handled;
static void on_usr1(int number) { handled += number == SIGUSR1; }
static volatile pid_t sender;
static void with_info(int number, siginfo_t *info, void *context) {
  sender = info->si_pid;
  handled += context ? number - SIGUSR2 + 10 : 0;
}
int main(void) {
  int status;
  sigset_t set, pending;
  signal(SIGUSR1, on_usr1);
  raise(SIGUSR1);
  printf("handled %d\n", (int)handled);
  fflush(stdout);
  pid_t pid = fork();
  if (!pid)
    for (;;) pause();
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  printf("child killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d, handled %d\n", sigismember(&pending, SIGUSR1), (int)handled);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  printf("handled %d\n", (int)handled);
  struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR2, &action, 0);
  kill(getpid(), SIGUSR2);
  printf("from the same process: %d, handled %d\n", sender == getpid(), (int)handled);
  return 0;
}
