// title: the end of a trace: detach, a tracer that dies, a death that two wait for, CLONE_PTRACE
// expect stdout: seize: 0
// expect stdout: 2 exited 0
// expect stdout: wait: 0
// expect stdout: 1 killed by 15
// expect stdout: seize: 0
// expect stdout: 4 exited 0
// expect stdout: 3 killed by 9
// expect stdout: seize: 0
// expect stdout: 5 killed by 9
// expect stdout: wait: -10
// expect stdout: 6 exited 0
// expect stdout: 5 killed by 9
// expect stdout: 7 stopped by 19, event 0
// expect stdout: 8 stopped by 19, event 0
// expect stdout: siginfo: signal 19, code 0
// expect stdout: 8 exited 21
// expect stdout: 7 stopped by 17, event 0
// expect stdout: 7 exited 22
// expect stdout: wait: -10
#include "trace.h"
static pid_t sleeper(void) {
  fflush(stdout);
  pid_t pid = fork();
  if (!pid)
    for (;;) pause();
  return pid;
}
static void tracer(pid_t victim, int options, int wait_for_death) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid) {
    wait_for(pid);
    return;
  }
  say("seize", pt(SEIZE, victim, 0, options));
  if (wait_for_death) {
    kill(victim, SIGKILL);
    wait_for(victim);
    await_(victim, __WALL);
  }
  fflush(stdout);
  syscall(1, 0);
}
int main(void) {
  pid_t pid = sleeper();
  name_of(pid);
  tracer(pid, 0, 0);
  await_(pid, WNOHANG);
  kill(pid, SIGTERM);
  wait_for(pid);
  pid = sleeper();
  name_of(pid);
  tracer(pid, O_EXITKILL, 0);
  wait_for(pid);
  pid = sleeper();
  name_of(pid);
  tracer(pid, 0, 1);
  wait_for(pid); /* the tracer has had it already, and still it is ours */
  /* A child that nobody traces is none of ours; one of CLONE_PTRACE is. */
  if (traced_child(&pid)) {
    pid_t p = syscall(120, 0x2000 /* CLONE_PTRACE */ | SIGCHLD, 0, 0, 0, 0);
    if (!p) syscall(1, 21);
    waitpid(p, 0, 0);
    syscall(1, 22);
  }
  pt(CONT, pid, 0, 0);
  pid_t other = wait_for(-1);
  info_of(other);
  pt(CONT, other, 0, 0);
  wait_for(other);
  wait_for(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  wait_for(-1);
  return 0;
}
