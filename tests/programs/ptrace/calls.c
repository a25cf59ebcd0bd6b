// title: PTRACE_SYSCALL: every call twice, numbers, arguments and results that the tracer changes
// expect stdout: 1 stopped by 19, event 0
// expect stdout: options: 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 20, eax -38, message 1
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 20, eax 1, message 2
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: skip: 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call -1, eax -38
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 60, eax 18
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 60, eax 63
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 60, eax 83
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 9999, eax -38, message 1
// expect stdout: 1 stopped by 5 and 80, event 0
// expect stdout:   call 9999, eax -38, message 2
// expect stdout: 1 stopped by 5, event 0
// expect stdout: siginfo: signal 5, code 0x5
// expect stdout: 1 exited 55
#include "trace.h"
static void both(pid_t pid) {
  for (int i = 0; i < 2; i++) {
    pt(SYSCALL, pid, 0, 0);
    wait_for(pid);
    if (status >> 8 & 0x80) printf("  call %ld, eax %ld, message %lu\n", reg(pid, ORIG), reg(pid, AX) == pid ? 1 : reg(pid, AX), message(pid));
  }
}
int main(void) {
  pid_t pid;
  if (traced_child(&pid)) {
    syscall(20);                                   /* getpid */
    int a = syscall(64);                           /* getppid, which the tracer skips */
    int b = syscall(24);                           /* getuid, of which it makes umask(077) */
    int c = syscall(60, 022);                      /* umask, whose argument it changes */
    int d = syscall(60, 0);                        /* and whose result */
    int e = syscall(9999);                         /* there is none */
    syscall(1, a == -1 && errno == ENOSYS ? 40 + (b == 022) + 2 * (c == 077) + 4 * (d == 1234) + 8 * (e == -1) : 1);
  }
  syscall(60, 022);
  say("options", pt(SETOPTIONS, pid, 0, O_SYSGOOD));
  both(pid);
  /* getppid: skipped */
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  say("skip", pt(POKEUSR, pid, ORIG * 4, -1));
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  printf("  call %ld, eax %ld\n", reg(pid, ORIG), reg(pid, AX));
  /* getuid -> umask(077) */
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  pt(POKEUSR, pid, ORIG * 4, 60);
  pt(POKEUSR, pid, BX * 4, 077);
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  printf("  call %ld, eax %ld\n", reg(pid, ORIG), reg(pid, AX));
  /* umask(022) -> umask(0123) */
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  pt(POKEUSR, pid, BX * 4, 0123);
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  printf("  call %ld, eax %ld\n", reg(pid, ORIG), reg(pid, AX));
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  printf("  call %ld, eax %ld\n", reg(pid, ORIG), reg(pid, AX));
  pt(POKEUSR, pid, AX * 4, 1234);
  both(pid);
  pt(SETOPTIONS, pid, 0, 0);
  pt(SYSCALL, pid, 0, 0);
  wait_for(pid);
  info_of(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  return 0;
}
