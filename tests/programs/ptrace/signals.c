// title: a tracer sees every signal first: it takes it away, gives another, and hears of ignored ones
// expect stdout: 1 stopped by 19, event 0
// expect stdout: 1 stopped by 10, event 0
// expect stdout: siginfo: signal 10, code 0
// expect stdout: 1 stopped by 10, event 0
// expect stdout: 1 stopped by 10, event 0
// expect stdout: 1 stopped by 1, event 0
// expect stdout: 1 stopped by 17, event 0
// expect stdout: 1 stopped by 12, event 0
// expect stdout: getsiginfo: 0
// expect stdout: setsiginfo: 0
// expect stdout: 1 stopped by 10, event 0
// expect stdout: getsigmask: 0
// expect stdout: mask 800
// expect stdout: a mask of four: -22
// expect stdout: 1 stopped by 12, event 0
// expect stdout: the child saw 101212, then 10121212; codes 0 0 -1234
// expect stdout: 1 stopped by 15, event 0
// expect stdout: no signal: -5
// expect stdout: 1 killed by 15
// expect stdout: 2 stopped by 19, event 0
// expect stdout: 2 killed by 9
// expect stdout: 3 stopped by 19, event 0
// expect stdout: kill: 0
// expect stdout: 3 killed by 9
// expect stdout: 4 stopped by 19, event 0
// expect stdout: 4 stopped by 11, event 0
// expect stdout: siginfo: signal 11, code 0x1
// expect stdout: 4 killed by 11
#include "trace.h"
static volatile int seen, value;
static void on(int sig, siginfo_t *info, void *context) {
  (void)context;
  seen = seen * 100 + sig;
  value = info->si_code;
}
int main(void) {
  pid_t pid;
  if (traced_child(&pid)) {
    struct sigaction action = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGUSR2, &action, 0);
    signal(SIGHUP, SIG_IGN);
    syscall(37, getpid(), SIGUSR1); /* taken away */
    syscall(37, getpid(), SIGUSR1); /* given */
    int a = value;
    syscall(37, getpid(), SIGUSR1); /* another one instead */
    int b = value;
    syscall(37, getpid(), SIGHUP);  /* ignored, and told */
    syscall(37, getpid(), SIGCHLD);
    syscall(37, getpid(), SIGUSR2); /* with another siginfo */
    int c = value;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, 0);
    syscall(37, getpid(), SIGUSR1); /* SIGUSR2 instead, which is blocked */
    int d = seen;
    sigprocmask(SIG_UNBLOCK, &set, 0);
    printf("the child saw %d, then %d; codes %d %d %d\n", d, seen, a, b, c);
    fflush(stdout);
    syscall(37, getpid(), SIGTERM);
    syscall(1, 3);
  }
  int info[32] = {0};
  pt(CONT, pid, 0, 0), wait_for(pid), info_of(pid);
  pt(CONT, pid, 0, 0), wait_for(pid);
  pt(CONT, pid, 0, SIGUSR1), wait_for(pid);
  pt(CONT, pid, 0, SIGUSR2), wait_for(pid);
  pt(CONT, pid, 0, SIGHUP), wait_for(pid);
  pt(CONT, pid, 0, SIGCHLD), wait_for(pid);
  say("getsiginfo", pt(GETSIGINFO, pid, 0, (long)info));
  info[2] = -1234;
  say("setsiginfo", pt(SETSIGINFO, pid, 0, (long)info));
  pt(CONT, pid, 0, SIGUSR2), wait_for(pid);
  unsigned long long mask = 0;
  say("getsigmask", pt(GETSIGMASK, pid, 8, (long)&mask));
  printf("mask %llx\n", mask);
  say("a mask of four", pt(GETSIGMASK, pid, 4, (long)&mask));
  pt(CONT, pid, 0, SIGUSR2), wait_for(pid);
  pt(CONT, pid, 0, SIGUSR2), wait_for(pid);
  say("no signal", pt(CONT, pid, 0, 65));
  pt(CONT, pid, 0, SIGTERM), wait_for(pid);
  /* Killed while it stands. */
  if (traced_child(&pid)) syscall(1, 4);
  kill(pid, SIGKILL);
  wait_for(pid);
  if (traced_child(&pid)) syscall(1, 4);
  say("kill", pt(PKILL, pid, 0, 0));
  wait_for(pid);
  /* A signal that is fatal, and one for which there would be a core. */
  if (traced_child(&pid)) {
    *(volatile int *)16 = 1;
    syscall(1, 4);
  }
  pt(CONT, pid, 0, 0), wait_for(pid), info_of(pid);
  pt(CONT, pid, 0, SIGSEGV), wait_for(pid);
  return 0;
}
