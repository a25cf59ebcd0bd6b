// title: what ptrace refuses
// expect stdout: 1 stopped by 19, event 0
// expect stdout: nobody: -3
// expect stdout: not ours: -3
// expect stdout: oneself: -1
// expect stdout: twice: -1
// expect stdout: seized twice: -1
// expect stdout: no such request: -5
// expect stdout: no such request: -5
// expect stdout: options: -22
// expect stdout: options: -22
// expect stdout: interrupt without seize: -5
// expect stdout: listen without seize: -5
// expect stdout: peek to nowhere: -14
// expect stdout: message to nowhere: -14
// expect stdout: siginfo to nowhere: -14
// expect stdout: siginfo from nowhere: -14
// expect stdout: fpregs to nowhere: -14
// expect stdout: signal 65: -5
// expect stdout: signal -1: -5
// expect stdout: no TLS entry: -22
// expect stdout: 2 exited 3
// expect stdout: 1 exited 1
// expect stdout: dead: -3
#include "trace.h"
int main(void) {
  pid_t pid;
  long value;
  if (traced_child(&pid)) {
    syscall(1, pt(TRACEME, 0, 0, 0) == -EPERM);
  }
  say("nobody", pt(ATTACH, 99999, 0, 0));
  say("not ours", pt(CONT, getppid(), 0, 0));
  say("oneself", pt(ATTACH, getpid(), 0, 0));
  say("twice", pt(ATTACH, pid, 0, 0));
  say("seized twice", pt(SEIZE, pid, 0, 0));
  say("no such request", pt(10, pid, 0, 0));
  say("no such request", pt(0x4300, pid, 0, 0));
  say("options", pt(SETOPTIONS, pid, 0, 0x100));
  say("options", pt(SETOPTIONS, pid, 0, -1));
  say("interrupt without seize", pt(INTERRUPT, pid, 0, 0));
  say("listen without seize", pt(LISTEN, pid, 0, 0));
  say("peek to nowhere", pt(PEEKDATA, pid, (long)&value, 0));
  say("message to nowhere", pt(GETEVENTMSG, pid, 0, 0));
  say("siginfo to nowhere", pt(GETSIGINFO, pid, 0, 0));
  say("siginfo from nowhere", pt(SETSIGINFO, pid, 0, 0));
  say("fpregs to nowhere", pt(GETFPREGS, pid, 0, 0));
  say("signal 65", pt(CONT, pid, 0, 65));
  say("signal -1", pt(DETACH, pid, 0, -1));
  say("no TLS entry", pt(GET_THREAD_AREA, pid, 5, (long)&value));
  pid_t child = fork();
  if (!child) {
    syscall(1, -pt(CONT, pid, 0, 0)); /* ours, not the child's */
  }
  wait_for(child);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  say("dead", pt(CONT, pid, 0, 0));
  return 0;
}
