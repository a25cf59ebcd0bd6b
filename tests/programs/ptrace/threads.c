// title: threads: each stops for itself, a group stops as a whole, exec takes the leader's number
// expect stdout: 1 stopped by 19, event 0
// expect stdout: 1 stopped by 5, event 3
// expect stdout: 2 stopped by 19, event 0
// expect stdout: 1 stopped by 5, event 3
// expect stdout: 3 stopped by 19, event 0
// expect stdout: as a child: 0
// expect stdout: not traced by a number of its own: 0
// expect stdout: 2 stopped by 5, event 6
// expect stdout: exit code 600
// expect stdout: 2 exited 6
// expect stdout: 1 stopped by 5, event 6
// expect stdout: 1 stopped by 5, event 4
// expect stdout: message: 3
// expect stdout: 1 stopped by 5, event 6
// expect stdout: 1 exited 8
#include "trace.h"
static char stacks[2][8192] __attribute__((aligned(16)));
static volatile int go;
static int thread_(void *x) {
  while (!go) syscall(158);
  if (x) {
    execve("/proc/self/exe", (char *[]){"x", "again", 0}, (char *[]){0});
    execve(x, (char *[]){"x", "again", 0}, (char *[]){0});
  }
  syscall(1, 6);
  return 0;
}
int main(int argc, char **argv) {
  pid_t pid, a, b;
  int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
  if (argc > 1) return 8;
  if (traced_child(&pid)) {
    clone(thread_, stacks[0] + sizeof stacks[0], flags, 0);
    clone(thread_, stacks[1] + sizeof stacks[1], flags, argv[0]);
    for (;;) pause();
  }
  pt(SETOPTIONS, pid, 0, O_CLONE | O_EXEC | O_EXIT);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  a = message(pid);
  wait_for(a);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  b = message(pid);
  wait_for(b);
  say("as a child", syscall(114, a, &status, WNOHANG | 0x20000000, 0));
  say("not traced by a number of its own", pt(PEEKUSR, a, 0, (long)&status));
  pt(CONT, pid, 0, 0);
  pt(CONT, a, 0, 0);
  pt(POKEDATA, b, (long)&go, 1); /* their memory is one */
  wait_for(a);
  printf("exit code %lx\n", message(a));
  pt(CONT, a, 0, 0);
  wait_for(a);
  pt(CONT, b, 0, 0);
  wait_for(pid);  /* the leader's end, or the exec under its number */
  if (status >> 16 == 6) {
    pt(CONT, pid, 0, 0);
    wait_for(pid);
  }
  printf("message: %d\n", name_of(message(pid)));
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  pt(CONT, pid, 0, 0);
  wait_for(pid);
  return 0;
}
