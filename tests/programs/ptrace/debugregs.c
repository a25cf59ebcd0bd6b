// title: Hardware breakpoints and watchpoints of a traced task: u_debugreg
// expect stdout: 1 stopped by 19, event 0
// expect stdout: at first: 0 0 0 0 0 0 0 0
// expect stdout: address: 0
// expect stdout: dr4: -5
// expect stdout: dr5: -5
// expect stdout: dr6: 0
// expect stdout: io: -22
// expect stdout: long instruction: -22
// expect stdout: odd address: 0
// expect stdout: unaligned: -22
// expect stdout: write: 0
// expect stdout: 1 d0001
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   behind the write, code 4, dr6 1, dr7 d0001
// expect stdout: dr6 0: 0
// expect stdout: off: 0
// expect stdout: instruction: 0
// expect stdout: on: 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   behind the write, code 4, dr6 2, dr7 4
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   behind the write, code 4, dr6 2, dr7 4
// expect stdout: read or write: 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   after, code 4, dr6 1, dr7 f0006
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   behind the write, code 4, dr6 1, dr7 f0006
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   behind the write, code 4, dr6 2, dr7 f0006
// expect stdout: two bytes: 0
// expect stdout: 1 stopped by 5, event 0
// expect stdout:   behind the second write, code 4, dr6 8, dr7 50000040
// expect stdout: 1 1 50000040
// expect stdout: 1 stopped by 5, event 0
// expect stdout: step: dr6 4000
// expect stdout: 1 more, then exited 3
#include "trace.h"
enum { DR = 63 };
static volatile int watched[4];
void body(void), inner(void), after(void);
__asm__(".text\nbody: movl $1, %ecx\n movl %ecx, watched\ninner: incl %ecx\n movl watched, %edx\nafter: movl %ecx, watched+4\n ret\n");
static long dr(pid_t pid, int n) {
  long value = 0x5a5a5a5a;
  long answer = pt(PEEKUSR, pid, (DR + n) * 4, (long)&value);
  return answer ? answer : value;
}
static long set(pid_t pid, int n, long value) { return pt(POKEUSR, pid, (DR + n) * 4, value); }
static const char *place(pid_t pid) {
  long ip = reg(pid, IP);
  return ip == (long)body + 11 ? "behind the write" : ip == (long)inner ? "inner" : ip == (long)after ? "after"
         : ip == (long)after + 6 ? "behind the second write" : "elsewhere";
}
static void go(pid_t pid) {
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  if (!WIFSTOPPED(status)) return;
  int info[32] = {0};
  pt(GETSIGINFO, pid, 0, (long)info);
  printf("  %s, code %d, dr6 %lx, dr7 %lx\n", place(pid), info[2], dr(pid, 6) & 0xe00f, dr(pid, 7));
  fflush(stdout);
}
int main(void) {
  pid_t pid;
  if (traced_child(&pid)) {
    for (int i = 0; i < 4; i++) body();
    pid_t child = fork();
    if (!child) { body(); _exit(3); }
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  }
  printf("at first:");
  for (int n = 0; n < 8; n++) printf(" %lx", dr(pid, n) & (n == 6 ? 0xe00f : -1));
  printf("\n");
  say("address", set(pid, 0, (long)watched));
  say("dr4", set(pid, 4, 1));
  say("dr5", set(pid, 5, 1));
  say("dr6", set(pid, 6, 0));
  say("io", set(pid, 7, 0x20001));
  say("long instruction", set(pid, 7, 0x40001));
  say("odd address", set(pid, 2, (long)watched + 1));
  say("unaligned", set(pid, 7, 0xd000000 | 1 << 4));
  say("write", set(pid, 7, 0xd0000 | 1));
  printf("%d %lx\n", dr(pid, 0) == (long)watched, dr(pid, 7));
  go(pid);
  say("dr6 0", set(pid, 6, 0));
  say("off", set(pid, 7, 0));
  say("instruction", set(pid, 1, (long)inner));
  say("on", set(pid, 7, 4));
  go(pid);
  go(pid);
  set(pid, 6, 0);
  /* both, and reads */
  set(pid, 0, (long)watched);
  say("read or write", set(pid, 7, 0xf0000 | 2 | 4));
  go(pid);
  go(pid);
  go(pid);
  set(pid, 7, 0);
  set(pid, 3, (long)watched + 4);
  say("two bytes", set(pid, 7, 0x50000000 | 1 << 6));
  go(pid);
  set(pid, 6, 0);
  printf("%d %d %lx\n", dr(pid, 3) == (long)watched + 4, dr(pid, 1) == (long)inner, dr(pid, 7));
  /* single steps are there, too; a child begins without any */
  pt(SINGLESTEP, pid, 0, 0);
  wait_for(pid);
  printf("step: dr6 %lx\n", dr(pid, 6) & 0xe00f);
  set(pid, 7, 0);
  set(pid, 0, (long)watched);
  set(pid, 7, 0xd0000 | 1);
  int traps = 0;
  for (;;) {
    pt(CONT, pid, 0, 0);
    waitpid(pid, &status, 0x40000000);
    if (!WIFSTOPPED(status)) break;
    traps += WSTOPSIG(status) == SIGTRAP;
  }
  printf("%d more, then %s\n", traps, told());
  return 0;
}
