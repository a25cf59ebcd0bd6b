// title: events: fork, vfork, clone, exec, exit; children that are traced from their birth
// expect stdout: 1 stopped by 19, event 0
// expect stdout: options: 0
// expect stdout: go: 0
// expect stdout: 1 stopped by 5, event 1
// expect stdout: siginfo: signal 5, code 0x105
// expect stdout: message: 2
// expect stdout: 2 stopped by 19, event 0
// expect stdout: its message: 0
// expect stdout: go: 0
// expect stdout: go: 0
// expect stdout: 2 stopped by 5, event 6
// expect stdout: exit code 100
// expect stdout: go: 0
// expect stdout: 2 exited 1
// expect stdout: 1 stopped by 17, event 0
// expect stdout: go: 0
// expect stdout: 1 stopped by 5, event 2
// expect stdout: siginfo: signal 5, code 0x205
// expect stdout: message: 3
// expect stdout: 3 stopped by 19, event 0
// expect stdout: its message: 0
// expect stdout: go: 0
// expect stdout: go: 0
// expect stdout: 3 stopped by 5, event 6
// expect stdout: exit code 200
// expect stdout: go: 0
// expect stdout: 3 exited 2
// expect stdout: 1 stopped by 5, event 5
// expect stdout: message: 3
// expect stdout: go: 0
// expect stdout: 1 stopped by 17, event 0
// expect stdout: go: 0
// expect stdout: 1 stopped by 5, event 3
// expect stdout: siginfo: signal 5, code 0x305
// expect stdout: message: 4
// expect stdout: 4 stopped by 19, event 0
// expect stdout: its message: 0
// expect stdout: go: 0
// expect stdout: go: 0
// expect stdout: 4 stopped by 5, event 6
// expect stdout: exit code 500
// expect stdout: go: 0
// expect stdout: 4 exited 5
// expect stdout: 1 stopped by 10, event 0
// expect stdout: go: 0
// expect stdout: 1 stopped by 17, event 0
// expect stdout: go: 0
// expect stdout: 1 stopped by 5, event 4
// expect stdout: message: 1
// expect stdout: go: 0
// expect stdout: 1 stopped by 5, event 6
// expect stdout: exit code 900
// expect stdout: siginfo: signal 5, code 0x605
// expect stdout: go: 0
// expect stdout: 1 exited 9
#include "trace.h"
static char stack[8192] __attribute__((aligned(16)));
static int nothing(void *x) {
  (void)x;
  return 5;
}
static void go(pid_t pid) { say("go", pt(CONT, pid, 0, 0)); }
int main(int argc, char **argv) {
  pid_t pid, child;
  if (argc > 1) return 9; /* the new program: it says nothing, since it runs beside its tracer */
  if (traced_child(&pid)) {
    pid_t p = fork();
    if (!p) syscall(1, 1);
    waitpid(p, 0, 0);
    p = vfork();
    if (!p) syscall(1, 2);
    waitpid(p, 0, 0);
    clone(nothing, stack + sizeof stack, CLONE_VM | SIGUSR1, 0);
    waitpid(-1, 0, 0x80000000 /* __WCLONE */);
    p = syscall(120, 0x00800000 /* CLONE_UNTRACED */ | SIGCHLD, 0, 0, 0, 0);
    if (!p) syscall(1, 3);
    waitpid(p, 0, 0);
    char *args[] = {argv[0], "again", 0};
    execve("/proc/self/exe", args, (char *[]){0});
    execve(argv[0], args, (char *[]){0});
    syscall(1, 7);
  }
  say("options", pt(SETOPTIONS, pid, 0, O_FORK | O_VFORK | O_CLONE | O_EXEC | O_VFORKDONE | O_EXIT));
  for (int i = 0; i < 3; i++) {
    go(pid);
    wait_for(pid);
    child = message(pid);
    info_of(pid);
    printf("message: %d\n", name_of(child));
    wait_for(child);
    say("its message", message(child));
    go(child);
    if (i != 1) go(pid); /* who waits for the child */
    else go(pid);
    wait_for(child);
    printf("exit code %lx\n", message(child));
    go(child);
    wait_for(child);
    if (i == 1) {
      wait_for(pid); /* vfork is done */
      printf("message: %d\n", name_of(message(pid)));
      go(pid);
    }
    wait_for(pid); /* SIGCHLD, or SIGUSR1 */
  }
  go(pid);
  wait_for(pid); /* SIGCHLD of the untraced one */
  go(pid);
  wait_for(pid); /* exec */
  printf("message: %d\n", name_of(message(pid)));
  go(pid);
  wait_for(pid);
  printf("exit code %lx\n", message(pid));
  info_of(pid);
  go(pid);
  wait_for(pid);
  return 0;
}
