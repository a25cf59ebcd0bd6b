// title: group stops: under ATTACH, under SEIZE with INTERRUPT and LISTEN; attaching to a stopped process
// expect stdout: attach: 0
// expect stdout: 1 stopped by 19, event 0
// expect stdout: siginfo: signal 19, code 0x80
// expect stdout: again: -1
// expect stdout: runs: -3
// expect stdout: 1 stopped by 19, event 0
// expect stdout: siginfo: signal 19, code 0
// expect stdout: 1 stopped by 19, event 0
// expect stdout: siginfo: -22
// expect stdout: 1 stopped by 18, event 0
// expect stdout: detach: 0
// expect stdout: 1 stopped by 19, event 0
// expect stdout: 1 continued
// expect stdout: 1 stopped by 19, event 0
// expect stdout: attach: 0
// expect stdout: 1 stopped by 19, event 0
// expect stdout: siginfo: -22
// expect stdout: 1 stopped by 19, event 0
// expect stdout: 1 killed by 9
// expect stdout: seize with an address: -5
// expect stdout: seize: 0
// expect stdout: wait: 0
// expect stdout: interrupt: 0
// expect stdout: 2 stopped by 5, event 128
// expect stdout: siginfo: signal 5, code 0x8005
// expect stdout: listen: 0
// expect stdout: while it listens: -3
// expect stdout: interrupt: 0
// expect stdout: 2 stopped by 5, event 128
// expect stdout: 2 stopped by 19, event 0
// expect stdout: cont: 0
// expect stdout: 2 stopped by 19, event 128
// expect stdout: siginfo: signal 19, code 0x8013
// expect stdout: listen: 0
// expect stdout: wait: 0
// expect stdout: 2 stopped by 5, event 128
// expect stdout: siginfo: signal 5, code 0x8005
// expect stdout: 2 stopped by 18, event 0
// expect stdout: listen in a signal: -5
// expect stdout: 2 stopped by 10, event 0
// expect stdout: 2 killed by 10
// expect stdout: seize: 0
// expect stdout: 3 stopped by 20, event 0
// expect stdout: 3 stopped by 20, event 128
// expect stdout: 3 stopped by 19, event 0
// expect stdout: 3 stopped by 19, event 128
// expect stdout: 3 killed by 9
#include "trace.h"
static int sleeper(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (!pid)
    for (;;) pause();
  return pid;
}
static void end(pid_t pid) {
  kill(pid, SIGKILL);
  wait_for(pid);
}
int main(void) {
  pid_t pid = sleeper();
  say("attach", pt(ATTACH, pid, 0, 0));
  wait_for(pid);
  info_of(pid);
  say("again", pt(ATTACH, pid, 0, 0));
  pt(CONT, pid, 0, 0);
  say("runs", pt(CONT, pid, 0, 0));
  kill(pid, SIGSTOP);
  wait_for(pid); /* the signal */
  info_of(pid);
  pt(CONT, pid, 0, SIGSTOP);
  wait_for(pid); /* the group's stop */
  info_of(pid);
  pt(CONT, pid, 0, 0);
  kill(pid, SIGCONT);
  wait_for(pid);
  say("detach", pt(DETACH, pid, 0, SIGSTOP));
  await_(pid, WUNTRACED);
  kill(pid, SIGCONT);
  await_(pid, WCONTINUED);
  kill(pid, SIGSTOP);
  await_(pid, WUNTRACED);
  /* It stands: at once it is a tracee's stop. */
  say("attach", pt(ATTACH, pid, 0, 0));
  wait_for(pid);
  info_of(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  end(pid);

  pid = sleeper();
  say("seize with an address", pt(SEIZE, pid, 1, 0));
  say("seize", pt(SEIZE, pid, 0, 0));
  await_(pid, __WALL | WNOHANG);
  say("interrupt", pt(INTERRUPT, pid, 0, 0));
  wait_for(pid);
  info_of(pid);
  say("listen", pt(LISTEN, pid, 0, 0));
  say("while it listens", pt(CONT, pid, 0, 0));
  say("interrupt", pt(INTERRUPT, pid, 0, 0));
  wait_for(pid);
  pt(CONT, pid, 0, 0);
  kill(pid, SIGSTOP);
  wait_for(pid);
  say("cont", pt(CONT, pid, 0, SIGSTOP));
  wait_for(pid); /* the group's stop, with its event */
  info_of(pid);
  say("listen", pt(LISTEN, pid, 0, 0));
  await_(pid, __WALL | WNOHANG);
  kill(pid, SIGCONT);
  wait_for(pid); /* a trap, because the group goes on */
  info_of(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid); /* SIGCONT itself */
  say("listen in a signal", pt(LISTEN, pid, 0, 0));
  pt(CONT, pid, 0, SIGCONT);
  kill(pid, SIGUSR1);
  wait_for(pid);
  pt(CONT, pid, 0, SIGUSR1);
  wait_for(pid);

  /* Two stops by two signals: each is told by its own. */
  pid = sleeper();
  setpgid(pid, pid); /* or nobody could let it go on, and SIGTSTP would stop nothing */
  say("seize", pt(SEIZE, pid, 0, 0));
  for (int sig = SIGTSTP; sig >= SIGSTOP; sig--) {
    kill(pid, sig);
    wait_for(pid);
    pt(CONT, pid, 0, sig);
    wait_for(pid);
    pt(CONT, pid, 0, 0);
  }
  end(pid);
  return 0;
}
