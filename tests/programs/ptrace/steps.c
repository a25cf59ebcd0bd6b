// title: PTRACE_SINGLESTEP: over instructions, calls, a popf, into a handler, and a breakpoint made by hand
// expect stdout: 1 stopped by 19, event 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout: siginfo: signal 5, code 0x80
// expect stdout: behind it: 1
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 1, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 6, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 8, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 9, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 10, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 11, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 12, TF 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 13, TF 1
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   at 14, TF 1
// expect stdout: TF in the program's eyes: 1
// expect stdout: siginfo: signal 5, code 0x2
// expect stdout: 1 stopped by 5, event 0
// expect stdout: 1 stopped by 10, event 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout: siginfo: signal 5, code 0x5
// expect stdout: at the handler: 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout: in the handler: 1
// expect stdout: handled: 1
// expect stdout: 1 exited 1
#include "trace.h"
extern char first[], last[], handler_[], after_call[], popped[];
static int handled;
__asm__(".text\nhandler_: incl handled\n ret\n"
        "body: .globl body\nfirst: nop\n movl $20, %eax\n int $0x80\nafter_call: nop\n pushfl\n popl %edx\n"
        " pushfl\n popfl\npopped: nop\nlast: ret\n");
void body(void);
static void step(pid_t pid, int sig) {
  pt(SINGLESTEP, pid, 0, sig);
  wait_for(pid);
  long ip = reg(pid, IP);
  printf("  at %ld, TF %ld\n", ip - (long)first, reg(pid, FL) >> 8 & 1);
}
int main(void) {
  pid_t pid;
  if (traced_child(&pid)) {
    struct sigaction action = {0};
    action.sa_handler = (void (*)(int))handler_;
    sigaction(SIGUSR1, &action, 0);
    body();
    body();
    syscall(37, getpid(), SIGUSR1);
    syscall(1, handled);
  }
  /* A breakpoint, as a debugger makes it. */
  long kept = word(pid, first);
  pt(POKETEXT, pid, (long)first, (kept & ~0xff) | 0xcc);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  info_of(pid);
  say("behind it", reg(pid, IP) - (long)first);
  pt(POKETEXT, pid, (long)first, kept);
  pt(POKEUSR, pid, IP * 4, (long)first);
  while (reg(pid, IP) != (long)last) step(pid, 0);
  say("TF in the program's eyes", reg(pid, DX) >> 8 & 1);
  info_of(pid);
  /* popfl has made it the program's own. */
  pt(POKEUSR, pid, FL * 4, reg(pid, FL) & ~0x100);
  pt(POKETEXT, pid, (long)first, (kept & ~0xff) | 0xcc);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  pt(POKETEXT, pid, (long)first, kept);
  pt(POKEUSR, pid, IP * 4, (long)first);
  /* To the signal, and one step into the handler. */
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  pt(SINGLESTEP, pid, 0, SIGUSR1);
  wait_for(pid);
  info_of(pid);
  say("at the handler", reg(pid, IP) - (long)handler_);
  pt(SINGLESTEP, pid, 0, 0);
  wait_for(pid);
  say("in the handler", reg(pid, IP) != (long)handler_);
  say("handled", word(pid, &handled));
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  return 0;
}
