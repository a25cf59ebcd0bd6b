/* CLONE_PIDFD by clone and clone3, and what clone3 refuses. */
#include "calls.h"

enum { EBADF = 9 };
#define CLONE_VM 0x100ull
#define CLONE_PIDFD 0x1000ull
#define CLONE_PARENT 0x8000ull
#define CLONE_THREAD 0x10000ull
#define CLONE_PARENT_SETTID 0x100000ull
#define CLONE_DETACHED 0x400000ull
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_INTO_CGROUP 0x200000000ull
struct clone_args { u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; };
static int pidfd, tid;

static int clone3(struct clone_args *args, int size) {
  int pid = syscall(435, args, size);
  if (!pid) { raise(SIGSTOP); _exit(7); }
  return pid;
}

static void through(int pid, int fd) {
  struct pollfd p = {fd, POLLIN};
  int info[32] = {0};
  waitpid(pid, 0, 2);
  printf("descriptor %d, closed by exec %d\n", fd, (int)fcntl(fd, F_GETFD, 0));
  printf("poll %d\n", (int)poll(&p, 1, 0));
  printf("signal %d\n", (int)syscall(424, fd, SIGCONT, 0, 0));
  printf("poll %d", (int)poll(&p, 1, -1));
  printf(" %x\n", p.revents);
  printf("waitid %d", (int)waitid(3, fd, info, WEXITED));
  printf(" %d %d %d\n", info[2], info[3] == pid, info[5]);
  printf("gone %d", (int)syscall(424, fd, 0, 0, 0));
  printf(" %d\n", errno);
  close(fd);
}

int main(void) {
  struct clone_args args = {CLONE_PIDFD, (long)&pidfd, 0, 0, SIGCHLD};
  int pid = clone3(&args, 64);
  through(pid, pidfd);
  pidfd = -1;
  pid = syscall(120, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
  if (!pid) { raise(SIGSTOP); _exit(8); }
  through(pid, pidfd);
  args.flags |= CLONE_PARENT_SETTID; args.parent_tid = (long)&tid;
  pid = clone3(&args, 88);
  printf("tid %d\n", tid == pid);
  through(pid, pidfd);

  pidfd = -1;
  S(syscall(120, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &pidfd, 0, 0));
  S(syscall(120, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &pidfd, 0, 0));
  S(syscall(120, CLONE_PIDFD | SIGCHLD, 0, 16, 0, 0));
  args.parent_tid = args.pidfd;
  S(clone3(&args, 88));
  args.flags = CLONE_PIDFD; args.pidfd = 16;
  S(clone3(&args, 88));
  args.pidfd = (long)&pidfd;
  struct { u64 soft, hard; } none = {3, 3};
  S(syscall(340, 0, 7, &none, 0));
  S(clone3(&args, 88));
  none.soft = none.hard = 64;
  args.flags = CLONE_INTO_CGROUP; args.cgroup = 77;
  S(clone3(&args, 88));
  args.cgroup = 1;
  S(clone3(&args, 88));
  S(clone3(&args, 80));
  args.cgroup = 1ull << 40;
  S(clone3(&args, 88));
  args.flags = CLONE_CLEAR_SIGHAND | 0x800; args.cgroup = 0;
  S(clone3(&args, 88));
  args.flags = CLONE_DETACHED;
  S(clone3(&args, 88));
  args.flags = 1ull << 40;
  S(clone3(&args, 88));
  args.flags = 17;
  S(clone3(&args, 88));
  args.flags = CLONE_PARENT;
  S(clone3(&args, 88));
  args.flags = 0; args.exit_signal = 65;
  S(clone3(&args, 88));
  args.exit_signal = SIGCHLD; args.stack_size = 4096;
  S(clone3(&args, 88));
  args.stack_size = 0; args.set_tid_size = 1;
  S(clone3(&args, 88));
  args.set_tid_size = 0;
  S(clone3(&args, 63));
  S(clone3(&args, 5000));
  printf("no descriptor: %d\n", pidfd);
  reap();
  return 0;
}
